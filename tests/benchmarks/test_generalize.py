"""The instrument, on the smallest set with the smallest model, and its statistics on made data."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.ranking.prior import OTHER_FAQS
from benchmarks.generalize.__main__ import main
from benchmarks.generalize.cells import Features
from benchmarks.generalize.judging import difference, excess, resampled
from benchmarks.generalize.priors import Evidence, Examples, prior_of
from benchmarks.generalize.sets import FOLD_COUNT, bank, faq, fold
from benchmarks.generalize.tables import holm
from benchmarks.generalize.training import Cell

ROW = "sample:small"


@pytest.fixture(scope="module")
def cache(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The features of one cell."""
    directory = tmp_path_factory.mktemp("generalize")
    main(["train", "--cache", str(directory), "--rows", ROW, "--seeds", "0", "--base", str(tiny_base)])
    return directory


def test_the_table_has_every_system_and_is_written(cache: Path, tmp_path: Path) -> None:
    main(["table", "--cache", str(cache), "--rows", ROW, "--seeds", "0", "--out", str(tmp_path)])
    row = json.loads((tmp_path / "generalize.json").read_text())["sample small"]
    assert set(row["systems"]) == {"base", "quick", "default"}
    assert 0 <= row["systems"]["default"]["P@1"] <= 1
    assert row["differences"]["default"]["low"] <= row["differences"]["default"]["high"]
    assert "| sample small | default |" in (tmp_path / "generalize.md").read_text()
    assert (tmp_path / "generalize.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_of_adapted_confidence_has_every_share(cache: Path, tmp_path: Path) -> None:
    main(["adapt", "--cache", str(cache), "--rows", ROW, "--seeds", "0", "--out", str(tmp_path)])
    rows = json.loads((tmp_path / "adaptation.json").read_text())
    assert [row["share"] for row in rows] == [0.0, 0.1, 0.3, 0.6]
    assert all(0 < row["applied"] < 0.6 and row["questions"] > 20 for row in rows)
    assert "| mean of families | 60% |" in (tmp_path / "adaptation.md").read_text()


def test_what_the_cache_holds_is_not_trained_again(cache: Path, tiny_base: Path) -> None:
    file = Cell("sample", "small", 0).path(cache)
    before = file.stat().st_mtime_ns
    main(["train", "--cache", str(cache), "--rows", ROW, "--seeds", "0", "--base", str(tiny_base)])
    assert file.stat().st_mtime_ns == before


def test_features_of_other_questions_are_refused_by_name_and_made_again(
    cache: Path, tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--cache", str(tmp_path), "--rows", ROW, "--seeds", "0"]
    with np.load(Cell("sample", "small", 0).path(cache)) as file:
        np.savez(Cell("sample", "small", 0).path(tmp_path), **{**file, "digest": "of another split"})
    with pytest.raises(SystemExit):
        main(["table", *options, "--out", str(tmp_path)])
    assert "sample.small.0.npz was made for other questions" in capsys.readouterr().err
    main(["train", *options, "--base", str(tiny_base)])
    assert Features(Cell("sample", "small", 0), tmp_path).questions.real == 120


def test_features_rank_what_is_right_as_the_questions_say(cache: Path) -> None:
    features = Features(Cell("sample", "small", 0), cache)
    state = features.state("base")
    ranks = state.reciprocal_ranks(state.scores(0.7, 0.01))
    assert ranks[features.bank].max() == 0  # nothing answers these
    assert ranks[features.real[features.answerable[features.real]]].min() > 0  # what is right is always kept
    assert set(features.about[features.heldout]) <= set(range(40))


def test_variants_are_poor_and_small() -> None:
    assert all(not entry.alternatives for entry in faq("sample", "poor", 0).trained)
    small = faq("sample", "small", 1)
    assert len(small.served) == 40
    assert {query.faq_id for query in small.queries} - {None} <= {entry.id for entry in small.served}
    assert len(bank()[0]) == len(set(bank()[0])) >= 400


def test_folds_ask_every_question_once_and_share_out_every_source() -> None:
    rows = [{"question": f"{source} {i}", "answer": "yes", "source": source} for source in "ab" for i in range(20)]
    folds = [fold(rows, number) for number in range(FOLD_COUNT)]
    assert sorted(row["question"] for _, asked in folds for row in asked) == sorted(row["question"] for row in rows)
    for train, asked in folds:
        assert [row["source"] for row in asked] == ["a"] * 4 + ["b"] * 4
        assert not {row["question"] for row in train} & {row["question"] for row in asked}


def test_a_calibrated_confidence_has_no_excess_and_an_overconfident_one_has() -> None:
    draws = np.random.default_rng(0)
    confidence = draws.uniform(size=4000)
    assert abs(excess(confidence, draws.uniform(size=4000) < confidence)) < 0.01
    assert excess(confidence, draws.uniform(size=4000) < confidence - 0.2) > 0.1


def test_questions_are_resampled_to_a_share() -> None:
    answerable = np.arange(500) < 400
    for share in (0.0, 0.1, 0.3, 0.6):
        chosen = resampled(answerable, share)
        assert (~answerable[chosen]).mean() == pytest.approx(share, abs=0.01)
        assert len(set(chosen.tolist())) == len(chosen)


def test_a_loss_on_one_entry_alone_is_not_significant_and_one_on_all_is() -> None:
    about = np.repeat(np.arange(30), 10)
    alone = difference([(np.where(about == 0, -1.0, 0.0), about)] * 3)
    everywhere = difference([(np.full(300, -0.1) + np.tile([0.05, -0.05], 150), about)] * 3)
    assert alone.high >= 0
    assert everywhere.high < 0
    assert holm({"alone": alone.worse, "everywhere": everywhere.worse}) == ["everywhere"]


def test_families_count_alike_and_the_own_one_is_left_out() -> None:
    def of(family: str, right: float, questions: int) -> Evidence:
        draws = np.random.default_rng(questions)
        features = draws.normal(size=(questions, 2))
        targets = (draws.uniform(size=questions) < right).astype(np.float64)
        examples = Examples(features, targets, np.full(questions, 1 / questions))
        return Evidence(family, examples, examples)

    some = [of("a", 0.9, 2000), of("b", 0.1, 200), of("b", 0.1, 200)]
    assert prior_of(some).bias == pytest.approx(0, abs=0.2)
    assert prior_of(some, "a").bias < -1.5
    assert prior_of(some[:1], "a") == OTHER_FAQS
