"""From passages to TSV parts: with a tiny T5, interrupted and carried on, filtered by the round trip."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import LongTensor
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from app.errors import Conflict, InputError
from tests.trainer.generation.conftest import passages
from trainer.data import generated_parts as parts
from trainer.generation import generators
from trainer.generation.generate import Request, State, generate, report
from trainer.generation.generators import Seq2Seq, TopKTopP, batches, load_generator
from trainer.generation.sampling import Sampling
from trainer.training.loop import Interrupted

SAMPLING = Sampling(queries=4, seed=3)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and batches that a test fills."""
    monkeypatch.setattr(parts, "PAIRS", 32)
    monkeypatch.setattr(generators, "BATCH_TOKENS", {"cpu": 800, "cuda": 800})
    monkeypatch.setattr(generators, "QUERY_TOKENS", 6)


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(directory.glob("*.tsv"))}


def test_every_passage_gets_queries_and_parts_are_full(tiny_t5: Path, tmp_path: Path) -> None:
    texts = passages(30)
    state = generate(texts, Request(str(tiny_t5), sampling=SAMPLING), tmp_path / "out")
    generated = parts.read(tmp_path / "out")
    assert {pair.passage for pair in generated.pairs} == set(texts)
    assert generated.skipped == []
    sizes = [len(text.splitlines()) for text in contents(tmp_path / "out").values()]
    assert sizes[:-1] == [32] * (len(sizes) - 1)
    assert 0 < sizes[-1] <= 32
    counts = state.counts
    assert counts["asked"] == 120
    assert counts["kept"] == len(generated.pairs) == 120 - counts["empty"] - counts["repeated"]
    assert f"{counts['kept']} pairs" in report(state, Request("t5"))


def test_a_resumed_generation_makes_the_same_queries(
    tiny_t5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, request = passages(30), Request(str(tiny_t5), sampling=SAMPLING)
    generate(texts, request, tmp_path / "whole")
    ask, calls = Seq2Seq.generate, []

    def interrupted(generator: Seq2Seq, batch: Sequence[str], sampling: Sampling, seed: int) -> list[list[str]]:
        calls.append(len(batch))
        if len(calls) in (2, 5):
            signal.raise_signal(signal.SIGINT)
        if len(calls) == 4:
            raise OSError("the power went off")
        return ask(generator, batch, sampling, seed)

    monkeypatch.setattr(Seq2Seq, "generate", interrupted)
    with pytest.raises(Interrupted, match="keeps the queries made so far"):
        generate(texts, request, tmp_path / "parts")
    assert contents(tmp_path / "parts").items() <= contents(tmp_path / "whole").items()
    with pytest.raises(OSError, match="power"):
        generate(texts, request, tmp_path / "parts")
    with pytest.raises(Interrupted):
        generate(texts, request, tmp_path / "parts")
    generate(texts, request, tmp_path / "parts")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert sum(calls) == 30 + calls[3]  # nothing is asked twice but the batch that was lost
    calls.clear()
    generate(texts, request, tmp_path / "parts")
    assert calls == []


def test_another_request_does_not_mix_with_the_first(tiny_t5: Path, tmp_path: Path) -> None:
    texts = passages(4)
    generate(texts, Request(str(tiny_t5), sampling=SAMPLING), tmp_path / "out")
    for request, others in (
        (Request(str(tiny_t5), sampling=SAMPLING._replace(seed=4)), texts),
        (Request(str(tiny_t5), sampling=SAMPLING), texts[:3]),
    ):
        with pytest.raises(Conflict, match="queries of other passages, of another model or with other settings"):
            generate(others, request, tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.tsv").write_text("q\tp\n")
    with pytest.raises(Conflict, match="is not empty"):
        generate(texts, Request(str(tiny_t5)), tmp_path / "mine")


def test_a_query_that_does_not_find_its_passage_is_dropped(
    tiny_t5: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = passages(20)

    def echoes(generator: Seq2Seq, batch: Sequence[str], sampling: Sampling, seed: int) -> list[list[str]]:
        return [[text, texts[0], "?", text] for text in batch]

    monkeypatch.setattr(Seq2Seq, "generate", echoes)
    request = Request(str(tiny_t5), sampling=SAMPLING, round_trip=1, encoder=str(tiny_base))
    state = generate(texts, request, tmp_path / "out")
    assert sorted(parts.read(tmp_path / "out").pairs) == sorted((text, text) for text in texts)
    expected = {"asked": 80, "empty": 20, "repeated": 21, "tried": 39, "kept": 20, "at_1": 20, "at_100": 39}
    assert {name: state.counts[name] for name in expected} == expected
    assert f"Round trip: {20 / 39:.1%} were kept" in report(state, request)
    saved = json.loads((tmp_path / "out" / "state.json").read_text())
    assert saved["finished"]
    assert saved["counts"]["kept"] == 20


def test_the_same_seed_gives_the_same_queries_and_batches_stay_within_the_budget(tiny_t5: Path) -> None:
    generator = load_generator(str(tiny_t5))
    assert isinstance(generator, Seq2Seq)
    assert not generator.model.training
    texts = [*passages(20), "word " * 400]
    batched = list(batches(texts, generator, SAMPLING))
    assert sorted(position for batch in batched for position in batch) == list(range(21))
    assert batched[-1] == [20]
    assert all(
        max(generator.cost(texts[position], 4) for position in batch) * len(batch) <= 800 for batch in batched[:-1]
    )
    three = texts[:3]
    assert (
        generator.generate(three, SAMPLING, 1)
        == generator.generate(three, SAMPLING, 1)
        != generator.generate(three, SAMPLING, 2)
    )


@pytest.mark.parametrize(
    ("top_k", "top_p", "temperature"), [(5, 0.9, 1.0), (20, 0.5, 0.7), (500, 0.95, 2.0), (3, 1.0, 1.0)]
)
def test_top_k_and_top_p_keep_the_same_tokens_as_transformers(top_k: int, top_p: float, temperature: float) -> None:
    torch.manual_seed(0)
    scores: Any = torch.randn(4, 300).mul(3).log_softmax(dim=-1)
    expected = scores
    for warper in (TemperatureLogitsWarper(temperature), TopKLogitsWarper(top_k), TopPLogitsWarper(top_p)):
        expected = warper(None, expected)
    filtered = TopKTopP(Sampling(top_k=top_k, top_p=top_p, temperature=temperature))(LongTensor(), scores)
    assert torch.equal(filtered, expected)


def test_a_state_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(InputError, match=r"state.json cannot be read"):
        State.of(tmp_path, "digest")


@pytest.mark.parametrize(
    "changed", [{"queries": 0}, {"top_p": 0.0}, {"top_p": 1.5}, {"top_k": -1}, {"temperature": 0.0}]
)
def test_invalid_settings_are_named(changed: dict[str, float]) -> None:
    name = "queries_per_passage" if "queries" in changed else next(iter(changed))
    with pytest.raises(InputError, match=name):
        Request("t5", sampling=Sampling(**changed)).check()  # type: ignore[arg-type]  # of names that it has


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither an endpoint's address nor a sequence-to-sequence model"):
        load_generator(str(tmp_path))
