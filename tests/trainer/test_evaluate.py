from pathlib import Path

import numpy as np
import pytest

from app.errors import InputError
from app.knowledge.queries import Query
from app.retrieval.bundle import Bundle
from app.retrieval.encoder import Encoder
from tests.trainer.conftest import faq, write_faq
from trainer import report
from trainer.evaluate import evaluate


def test_a_question_of_the_index_is_removed_and_counted(tiny_bundle: Bundle) -> None:
    entries = faq(20, 3)
    asked = [Query(entries[0].question.upper(), faq_id=entries[0].id), Query("else", faq_id=entries[1].id)]
    found = evaluate(tiny_bundle, entries, asked, "answers")
    assert (found["queries"], found["entries"], found["phrasings_removed"]) == (2, 20, 1)


def test_queries_by_id_answer_and_label(tiny_bundle: Bundle) -> None:
    entries = faq(20, 2)
    labelled = [
        *entries,
        *(one.model_copy(update={"id": f"l{one.id}", "metadata": {"label": "7"}}) for one in faq(1, 1)),
    ]
    entry = entries[3]
    by = [Query("x", faq_id=entry.id), Query("x", answer=entry.answer), Query("x", label=entry.id)]
    figures = [evaluate(tiny_bundle, labelled, [one], "answers")["mrr"] for one in by]
    assert len(set(figures)) == 1
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


def test_the_tutorials_protocol_against_a_plain_reading_of_it(tiny_bundle: Bundle) -> None:
    entries = faq(30, 1)
    questions, answers = [one.question for one in entries], [one.answer for one in entries]
    vectors = Encoder(tiny_bundle, threads=1).questions([*questions, *answers])
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
    found = evaluate(tiny_bundle, entries, asked, "tutorial")
    assert found["queries"] == 60
    assert found["precision@1"] == pytest.approx(np.mean([place == 1 for place in places]))
    assert found["mrr"] == pytest.approx(np.mean([1 / place for place in places]))


def test_base_and_fine_tuned_side_by_side(
    tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = write_faq(tmp_path / "faq.jsonl", faq(5, 2))
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"question": "where", "faq_id": "cancel-parcel-0"}\n', encoding="utf-8")
    found = report.side_by_side(tiny_bundle.directory, queries, index, "answers", compare=True)
    assert list(found["systems"]) == ["base"]
    found["systems"]["fine-tuned"] = {**found["systems"]["base"], "mrr": 1.0}
    report.show(found)
    shown = capsys.readouterr().out
    assert "difference" in shown
    assert "1.000" in shown
