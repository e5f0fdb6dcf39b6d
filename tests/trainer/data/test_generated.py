"""Generated queries as a training set, and a whole run of the recipe `genq` on it."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle, HeldOut
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.text.normalize import normalize
from tests.trainer.generation.conftest import pairs, passages
from trainer import fit
from trainer.data import generated as trainingset
from trainer.data import generated_parts as parts
from trainer.data.generated_parts import Asked
from trainer.data.training_set import Pair
from trainer.recipes import RECIPES


def generated(directory: Path, count: int, each: int) -> Path:
    """`each` queries for each of `count` passages."""
    forms = ("where is the {}", "does {} lie there?", "who asks for {}?", "{} anywhere?")
    lines = [Asked(form.format(q[10:-1]), p) for q, p in pairs(count) for form in forms[:each]]
    directory.mkdir(exist_ok=True)
    parts.write(directory, 0, lines)
    return directory


def test_each_passage_is_an_entry_and_its_queries_are_brought_to_it_alone(tmp_path: Path) -> None:
    inputs = trainingset.read(generated(tmp_path / "out", 40, 3), None, (), 0)
    assert [(entry.question, entry.answer) for entry in inputs.entries] == [("", text) for text in passages(40)]
    training = inputs.training
    assert {pair.positive for pair in training.pairs} == set(passages(40))
    assert len({pair.group for pair in training.pairs}) == 40
    assert len(training.heldout) == 4  # one query each of a tenth of the passages
    assert len(training.pairs) == 120 - 4
    assert not {pair.anchor for pair in training.pairs} & {question.question for question in training.heldout}
    answers = {entry.id: entry.answer for entry in inputs.entries}
    own = {pair.anchor: pair.positive for pair in training.pairs}
    assert all(question.question.split()[-1] or answers[question.faq_id or ""] for question in training.heldout)
    assert all(f"number {own[anchor].split()[3]} " in f"{anchor} ".replace("?", "") for anchor in own)


def test_passages_that_share_a_query_are_not_pushed_apart(tmp_path: Path) -> None:
    parts.write(
        tmp_path, 0, [Asked("What is it?", "A tent of two."), Asked("what is  it?", "A boot."), Asked("Why?", "A map.")]
    )
    training = trainingset.read(tmp_path, None, (), 0).training
    tent, boot, chart = (pair.group for pair in training.pairs)
    assert tent == boot != chart


def test_for_a_faq_real_questions_are_held_out_and_generated_ones_trained_on(tmp_path: Path) -> None:
    texts = passages(40)
    entries = [Entry(id=str(i), answer=text) for i, text in enumerate(texts)]
    queries = [Query(f"Real question about number {i}?", faq_id=str(i)) for i in range(20)]
    inputs = trainingset.read(generated(tmp_path / "out", 40, 2), entries, queries, 0)
    assert inputs.entries == entries
    held = {question.question for question in inputs.training.heldout}
    assert held == {query.question for query in queries}
    by_group = {pair.group: pair.positive for pair in inputs.training.pairs}
    assert set(by_group.values()) == set(texts)
    own_entries = [Entry(answer=text, question=f"Our number {i}?") for i, text in enumerate(texts)]
    own = trainingset.read(tmp_path / "out", own_entries, (), 0).training
    assert {question.question[:3] for question in own.heldout} == {"Our"}
    assert len([pair for pair in own.pairs if pair.anchor.startswith("Our")]) == 40 - len(own.heldout)
    with pytest.raises(InputError, match="not in the FAQ: Who"):
        trainingset.read(tmp_path / "out", entries, [Query("Who?", faq_id="nobody")], 0)


def test_a_held_out_question_that_stands_in_the_faq_or_among_the_generated_ones_is_not_trained_on(
    tmp_path: Path,
) -> None:
    texts = passages(40)
    entries = [
        Entry(id=str(i), question=f"Our number {i}?", alternatives=(f"Number {i} of ours?",), answer=text)
        for i, text in enumerate(texts)
    ]
    queries = [Query(f"  our NUMBER {i} ", faq_id=str(i)) for i in range(20)]
    queries += [Query("Where is the parcel number 0", faq_id="0"), Query(texts[39].upper())]
    training = trainingset.read(generated(tmp_path / "out", 40, 2), entries, queries, 0).training
    held = {normalize(question.question) for question in training.heldout}
    assert {normalize(query.question) for query in queries} <= held
    trained = {normalize(text) for pair in training.pairs for text in (pair.anchor, pair.positive)}
    assert not held & trained
    assert {normalize(f"Number {i} of ours?") for i in range(20)} - held <= trained


def test_a_part_of_an_answer_belongs_to_its_entry_and_other_passages_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entry = Entry(id="long", answer="First sentence of it.\nSecond  sentence of it.")
    parts.write(
        tmp_path,
        0,
        [
            Asked("Second?", "Second sentence of it."),
            Asked("Whole?", parts.flat(entry.answer)),
            Asked("Other?", "Of another FAQ."),
        ],
    )
    with caplog.at_level(logging.WARNING, "trainer"):
        training = trainingset.read(tmp_path, [entry], (), 0).training
    assert {pair.group for pair in training.pairs} == {0}
    asked = {pair.anchor for pair in training.pairs} | {question.question for question in training.heldout}
    assert asked == {"Second?", "Whole?"}
    assert "1 generated queries belong to no answer of the FAQ" in caplog.text
    with pytest.raises(InputError, match="No generated query belongs to an answer"):
        trainingset.read(tmp_path, [Entry(answer="Something else.")], (), 0)


def test_lines_without_a_pair_are_skipped_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "own.tsv").write_text("no tab\nWhy?\tBecause of it.\n" + "long " * 300 + "\tA passage.\n")
    with caplog.at_level(logging.WARNING, "trainer"):
        inputs = trainingset.read(tmp_path, None, (), 0)
    assert inputs.training.pairs == (Pair("Why?", "Because of it.", 0),)
    assert "2 lines without a pair, or with one that is too long, were skipped, the first:" in caplog.text
    assert "own.tsv:1: is not `query<TAB>passage`" in caplog.text
    (tmp_path / "own.tsv").write_text("no tab\n")
    with pytest.raises(InputError, match="has no line"):
        trainingset.read(tmp_path, None, (), 0)


@pytest.mark.parametrize("whose", ["its own", "a FAQ's"])
def test_the_recipe_genq_makes_an_ordinary_bundle(whose: str, tiny_base: Path, tmp_path: Path) -> None:
    directory = generated(tmp_path / "out", 48, 3)
    faq = tmp_path / "faq.jsonl"
    faq.write_text("".join(json.dumps({"id": f"p{i}", "answer": text}) + "\n" for i, text in enumerate(passages(48))))
    recipe = replace(RECIPES["genq"], epochs=1, batch_size=16, bf16=False)
    data, made = (directory, None) if whose == "its own" else (faq, directory)
    run = fit.start(data, None, str(tiny_base), recipe, tmp_path / "run", generated=made)
    assert run.status().state == "succeeded"
    bundle = Bundle.load(run.bundle)
    assert bundle.manifest.recipe == "genq"
    held = [HeldOut(**json.loads(line)) for line in (run.bundle / "heldout.jsonl").read_text().splitlines()]
    assert len(held) == 5
    assert all((question.faq_id or "").startswith("p") for question in held) == (whose == "a FAQ's")
    assert (run.directory / "report.html").is_file()
    assert fit.resume(str(run.directory)).status().state == "succeeded"
