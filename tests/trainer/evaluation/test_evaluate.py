import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.ranking.ranking import Ranking
from tests.trainer.conftest import faq, write_faq
from trainer.evaluation import corpus as corpora
from trainer.evaluation import evaluate as evaluating
from trainer.evaluation import figures, slices
from trainer.evaluation.evaluate import FunctionEncoder, evaluate, outcomes_of, validation
from trainer.evaluation.figures import Outcomes
from trainer.evaluation.served import served
from trainer.reports import tables as report


def asked_of(entries: Sequence[Entry]) -> list[Query]:
    """A question about each entry that the words find, in two styles, and two that nothing answers."""
    asked = [
        Query(f"{entry.question} thanks", faq_id=entry.id, tags={"style": "polite" if i % 2 else "terse"})
        for i, entry in enumerate(entries)
    ]
    return [*asked, Query("what is love", tags={"style": "odd"}), Query("what of birds")]


def outcomes(bundle: Bundle, entries: Sequence[Entry], asked: Sequence[Query]) -> Outcomes:
    return outcomes_of(bundle, entries, asked, "answers")


def test_a_question_of_the_index_is_removed_and_counted(tiny_bundle: Bundle) -> None:
    entries = faq(20, 3)
    asked = [Query(entries[0].question.upper(), faq_id=entries[0].id), Query("else", faq_id=entries[1].id)]
    measured = evaluate(tiny_bundle, entries, asked, "answers")
    assert (measured["queries"], measured["entries"], measured["phrasings_removed"]) == (2, 20, 1)


def test_a_query_names_its_entry_by_id_answer_or_label(tiny_bundle: Bundle) -> None:
    entries = faq(20, 2)
    labelled = [
        *entries,
        *(entry.model_copy(update={"id": f"l{entry.id}", "metadata": {"label": "7"}}) for entry in faq(1, 1)),
    ]
    entry = entries[3]
    by = [Query("x", faq_id=entry.id), Query("x", answer=entry.answer), Query("x", label=entry.id)]
    mrrs = [evaluate(tiny_bundle, labelled, [query], "answers")["mrr"] for query in by]
    assert len(set(mrrs)) == 1
    assert evaluate(tiny_bundle, labelled, [Query("x", label="7")], "answers")["queries"] == 1


def test_unanswerable_queries_are_decided_on_but_not_ranked(tiny_bundle: Bundle) -> None:
    entries = faq(20, 2)
    asked = [Query(entry.question + "?", faq_id=entry.id) for entry in entries]
    ranked = evaluate(tiny_bundle, entries, asked, "answers")
    both = evaluate(tiny_bundle, entries, [*asked, Query("what is love")], "answers")
    assert both["mrr"] == ranked["mrr"]
    assert both["unanswerable"] == 1
    assert both["refused"] in (0.0, 1.0)


def test_a_query_of_an_unknown_entry_is_refused(tiny_bundle: Bundle) -> None:
    with pytest.raises(InputError, match="who knows"):
        evaluate(tiny_bundle, faq(5, 2), [Query("who knows", faq_id="nobody")], "answers")


def test_only_unanswerable_queries_have_no_ranking(tiny_bundle: Bundle) -> None:
    measured = evaluate(tiny_bundle, faq(5, 2), [Query("what is love"), Query("why")], "answers")
    assert "mrr" not in measured
    assert "auroc_right" not in measured
    assert measured["unanswerable"] == 2
    json.dumps(measured, allow_nan=False)


def test_the_tutorials_protocol_against_a_plain_reading_of_it(tiny_bundle: Bundle) -> None:
    entries = faq(30, 1)
    questions, answers = [entry.question for entry in entries], [entry.answer for entry in entries]
    vectors = Encoder(tiny_bundle, threads=1).encode_queries([*questions, *answers])
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    places = []
    for i in range(60):
        group = [answers[j % 30] for j in range(60)]
        partners = [j for j in range(60) if group[j] == group[i] and (j < 30) != (i < 30)]
        same = [j for j in range(60) if j != i and i >= 30 and j >= 30 and group[j] == group[i]]
        scores[i, same] = -np.inf
        places.append(min(int((scores[i] > scores[i, j]).sum()) + 1 for j in partners))
    asked = [Query(q, answer=a) for q, a in zip(questions, answers, strict=True)]
    measured = evaluate(tiny_bundle, entries, asked, "tutorial")
    assert measured["queries"] == 30
    assert measured["precision@1"] == pytest.approx(np.mean([place == 1 for place in places]))
    assert measured["mrr"] == pytest.approx(np.mean([1 / place for place in places]))
    assert measured["intervals"]["mrr"][0] < measured["mrr"] < measured["intervals"]["mrr"][1]


def test_the_block_size_does_not_change_the_figures(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = faq(20, 2)
    asked = [Query(entry.question + "?", faq_id=entry.id) for entry in entries]
    encoder = Encoder(tiny_bundle, threads=1)
    whole = evaluate(tiny_bundle, entries, asked, "tutorial"), validation(encoder, 0.6, entries, asked)
    monkeypatch.setattr(corpora, "BLOCK_CELLS", 100)
    monkeypatch.setattr(evaluating, "BLOCK_CELLS", 100)
    halves = evaluate(tiny_bundle, entries, asked, "tutorial"), validation(encoder, 0.6, entries, asked)
    for before, after in zip(whole, halves, strict=True):
        before.pop("intervals", None)
        assert {name: after[name] for name in before} == pytest.approx(before, abs=1e-6)


def test_a_model_under_training_is_ranked_as_the_index_ranks_where_words_count_nothing(tiny_bundle: Bundle) -> None:
    entries = faq(20, 2)
    asked = [Query(entry.question + " thanks", faq_id=entry.id) for entry in entries]
    encoder = Encoder(tiny_bundle, threads=1)
    as_function = FunctionEncoder(encoder.encode_queries, lambda texts: np.concatenate(encoder.encode_documents(texts)))
    measured = validation(as_function, 0.6, entries, asked)
    with served(tiny_bundle, entries, encoder) as index:
        ranking = Ranking.of(tiny_bundle).model_copy(update={"question_weight": 0.6, "lexical_weight": 0.0})
        indexed = figures.summary(evaluating.answered(index, ranking, asked))
    assert measured["mrr"] == pytest.approx(indexed["mrr"])
    assert validation(as_function, 0.6, entries, [Query("what is love")]) == {}


def test_entries_that_the_index_does_not_return_rank_last() -> None:
    places = evaluating._places(np.array([7, 3, 5]), np.array([2, 3, 9]), 10)
    assert places.tolist() == [2, 9, 10]


def test_what_is_kept_of_each_query(words: Bundle) -> None:
    entries = faq(12, 2)
    asked_outcomes = outcomes(words, entries, asked_of(entries))
    assert asked_outcomes.right[:12].all()
    assert not asked_outcomes.answerable[12:].any()
    for i in range(12):
        assert asked_outcomes.entries[asked_outcomes.top[i, 0]].id == entries[i].id
    assert asked_outcomes.top.shape == (14, evaluating.TOP)
    assert len({*asked_outcomes.top[0]}) == evaluating.TOP
    figured = figures.summary(asked_outcomes)
    assert figured["precision@1"] == figured["hit@1"] == figured["r_precision"] == 1
    assert figured["auroc_right"] == figured["auroc_answerable"]
    assert figured["coverage@95"] >= 12 / 14
    assert figured["accuracy"] == pytest.approx(figured["answered"] * figured["answered_right"])


def test_every_interval_contains_its_figure(words: Bundle) -> None:
    entries = faq(30, 2)
    asked = asked_of(entries)
    asked[:10] = [replace(query, question="how do I get a voucher") for query in asked[:10]]
    measured = figures.with_intervals(outcomes(words, entries, asked))
    assert {"precision@1", "mrr", "ndcg@10", "answered", "refused", "coverage@90", "auroc_right"} <= {
        *measured["intervals"]
    }
    for name, (low, high) in measured["intervals"].items():
        assert low - 1e-9 <= measured[name] <= high + 1e-9, name


def test_slices_by_tag_and_by_metadata(words: Bundle) -> None:
    entries = [
        entry.model_copy(update={"metadata": {"for": ["a", "b"] if i else []}}) for i, entry in enumerate(faq(6, 2))
    ]
    asked_outcomes = outcomes(words, entries, asked_of(entries))
    by_style = slices.slices(asked_outcomes, "style")
    assert {name: part["queries"] for name, part in by_style.items()} == {
        "polite": 3,
        "terse": 3,
        "(none)": 1,
        "odd": 1,
    }
    assert by_style["terse"]["precision@1"] == 1
    assert by_style["odd"]["unanswerable"] == 1
    by_field = slices.slices(asked_outcomes, "for")
    assert {name: slice_["queries"] for name, slice_ in by_field.items()} == {
        "a": 5,
        "b": 5,
        "(unanswerable)": 2,
        "(none)": 1,
    }
    with pytest.raises(InputError, match="`style`"):
        slices.slices(asked_outcomes, "colour")


def test_the_tutorials_protocol_has_slices_and_worst_questions_too(tiny_bundle: Bundle) -> None:
    entries = [entry.model_copy(update={"metadata": {"half": i // 5}}) for i, entry in enumerate(faq(10, 1))]
    asked = [Query(entry.question, faq_id=entry.id) for entry in entries] + [
        Query("and why", answer="Because it is so.")
    ]
    asked_outcomes = outcomes_of(tiny_bundle, entries, [*asked, Query("what is love")], "tutorial")
    by_half = slices.slices(asked_outcomes, "half")
    assert {name: part["queries"] for name, part in by_half.items()} == {"0": 5, "1": 5, "(none)": 1}
    assert all(row["rank"] > 1 and row["right"]["text"] for row in slices.worst(asked_outcomes, 3))
    with pytest.raises(InputError, match="no pairs"):
        outcomes_of(tiny_bundle, entries, [Query("what is love")], "tutorial")


def test_the_worst_questions_lowest_first(words: Bundle) -> None:
    entries = faq(10, 2)
    asked = [Query(f"{entries[0].question} thanks", faq_id=entries[0].id)]
    asked += [Query(f"{entries[i].question} thanks", faq_id=entries[9].id) for i in (1, 2)]
    worst = slices.worst(outcomes(words, entries, asked), 5)
    assert len(worst) == 2
    assert worst[0]["rank"] >= worst[1]["rank"] > 1
    assert worst[0]["right"]["id"] == entries[9].id
    assert worst[0]["top"][0]["id"] in (entries[1].id, entries[2].id)


def shown(table: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    report.show(table)
    return capsys.readouterr().out


def test_base_and_fine_tuned_side_by_side(
    words: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = faq(12, 2)
    asked = asked_of(entries)
    wrong = [replace(query, question="[voucher") for query in asked[:6]] + asked[6:]
    before, after = outcomes(words, entries, wrong), outcomes(words, entries, asked)
    table: dict[str, Any] = {
        "protocol": "answers",
        "systems": {
            "base": report.figured(before, ["style"], 3),
            "fine-tuned": report.figured(after, ["style"], 3),
        },
        "differences": report.differences(before, after),
    }
    assert table["differences"]["precision@1"]["mean"] == pytest.approx(
        table["systems"]["fine-tuned"]["precision@1"] - table["systems"]["base"]["precision@1"]
    )
    json.dumps(table, allow_nan=False)
    text = shown(table, capsys, monkeypatch)
    for part in ("difference", "precision@1", "coverage@90", "by style", "base -> fine-tuned", "14 queries"):
        assert part in text, part
    assert "worst" not in text  # nothing went wrong with the last
    worst = {"protocol": "answers", "systems": {"base": table["systems"]["base"]}}
    assert "[voucher" in shown(worst, capsys, monkeypatch)


def test_figures_are_measured_from_files_and_written_as_json(tiny_bundle: Bundle, tmp_path: Path) -> None:
    index = write_faq(tmp_path / "faq.jsonl", faq(5, 2))
    queries, others = tmp_path / "queries.jsonl", tmp_path / "others.jsonl"
    queries.write_text('{"question": "where", "faq_id": "cancel-parcel-0"}\n', encoding="utf-8")
    others.write_text('{"question": "what is love", "faq_id": null}\n', encoding="utf-8")
    table = report.side_by_side(tiny_bundle.directory, [queries, others], index, "answers", compare=True, worst=1)
    assert list(table["systems"]) == ["base"]
    assert (table["systems"]["base"]["queries"], table["systems"]["base"]["unanswerable"]) == (2, 1)
    report.write_json(table, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == table
    with pytest.raises(InputError, match="cannot be written"):
        report.write_json(table, tmp_path / "no" / "out.json")


def test_the_outcomes_of_a_bundle_follow_its_threshold(tiny_bundle: Bundle) -> None:
    entries = faq(10, 2)
    asked_outcomes = outcomes_of(tiny_bundle, entries, asked_of(entries), "answers")
    assert asked_outcomes.confidence is not None
    assert (
        asked_outcomes.answers == (asked_outcomes.confidence >= Ranking.of(tiny_bundle).calibration.threshold)
    ).all()
    assert replace(asked_outcomes, threshold=0.0).answers.all()


def test_what_the_service_would_reply_is_measured_with_its_interval(tiny_bundle: Bundle) -> None:
    entries = faq(40, 2)
    asked = [*asked_of(entries), *(Query(f"what is love {i}") for i in range(10))]
    measured = evaluate(tiny_bundle, entries, asked, "answers")
    result = outcomes_of(tiny_bundle, entries, asked, "answers")
    assert result.cases is not None
    assert [case.status == "answered" for case in result.cases] == result.answers.tolist()
    answerable = [case for case in result.cases if case.answerable]
    helped = [any(case.right) for case in answerable]
    assert measured["helped"] == pytest.approx(np.mean(helped))
    for name in ("helped", "wrong", "unanswerable_answered", "unanswerable_offered"):
        low, high = measured["intervals"][name]
        assert low <= measured[name] <= high


def test_pairs_of_the_tutorial_count_once_and_those_with_one_answer_are_one_entry(tiny_bundle: Bundle) -> None:
    entries = faq(20, 1)
    asked = [Query(entry.question, answer=entry.answer) for entry in entries]
    more = [Query(f"{entry.question} please", answer=entry.answer) for entry in entries[:5]]
    asked_outcomes = outcomes_of(tiny_bundle, entries, [*asked, *more], "tutorial")
    assert figures.summary(asked_outcomes)["queries"] == 25
    assert len(set(asked_outcomes.about.tolist())) == 20
    assert figures.summary(asked_outcomes.subset([0, 25]))["queries"] == 1
