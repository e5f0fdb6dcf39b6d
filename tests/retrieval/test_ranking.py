"""Features, scores, confidence: the arithmetic between a candidate and an answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.retrieval.calibration import Calibration
from app.retrieval.ranking import EXACT_CONFIDENCE, Candidate, Question, Ranking, Vectors

AXES: Vectors = np.eye(4, dtype=np.float32)
NONE: Vectors = np.empty((0, 4), dtype=np.float32)
CALIBRATION = Calibration(bias=-4, score_weight=8, margin_weight=5, threshold=0.5)
RANKING = Ranking(question_weight=0.75, lexical_weight=0.01, negative_weight=2, calibration=CALIBRATION)


def candidate(
    name: str, answer: Vectors, questions: Vectors = NONE, *, text: str | None = None, lexical: float = 0.0
) -> Candidate:
    phrasings = [f"{name} {n}" for n in range(len(questions))]
    payload = {"answer": text or name, "phrasings": phrasings, "negatives": []}
    return Candidate(name, payload, answer, questions, NONE, lexical)


def asking(vector: Vectors, text: str = "?") -> Question:
    return Question(text, vector)


def test_a_score_weighs_the_best_phrasing_against_the_best_window() -> None:
    two = candidate("two", np.stack([0.2 * AXES[0], 0.4 * AXES[0]]), np.stack([0.1 * AXES[0], 0.8 * AXES[0]]))
    (ranked,) = RANKING.rank(asking(AXES[0]), [two])
    assert ranked.score == pytest.approx(0.75 * 0.8 + 0.25 * 0.4)
    assert ranked.matched == 1


def test_a_passage_is_scored_by_its_answer() -> None:
    (ranked,) = RANKING.rank(asking(AXES[1]), [candidate("passage", AXES[[1]])])
    assert (ranked.score, ranked.matched) == (1.0, None)


def test_words_count_beside_meaning() -> None:
    found = RANKING.rank(asking(AXES[0]), [candidate("b", AXES[[0]]), candidate("c", AXES[[0]], lexical=12.5)])
    assert [(one.candidate.id, one.score) for one in found] == [("c", pytest.approx(1.125)), ("b", 1.0)]


def test_best_first_and_equal_scores_by_id() -> None:
    found = RANKING.rank(asking(AXES[0]), [candidate(name, AXES[[0]]) for name in "cab"] + [candidate("z", AXES[[1]])])
    assert [one.candidate.id for one in found] == ["a", "b", "c", "z"]
    assert RANKING.rank(asking(AXES[0]), []) == []


def test_what_an_entry_must_not_answer_pushes_it_down() -> None:
    """By meaning: the question is nearer to the negative than to the entry, though it is not the negative's text."""
    tilted: Vectors = np.array([[0.6, 0.8, 0, 0]], dtype=np.float32)
    plain = candidate("plain", tilted, tilted)
    other = candidate("other", tilted, tilted)
    payload = {**other.payload, "negatives": ["not this"]}
    guarded = Candidate("guarded", payload, tilted, tilted, AXES[[1]])
    by_meaning = {one.candidate.id: one.score for one in RANKING.rank(asking(AXES[1]), [plain, guarded])}
    assert by_meaning["plain"] - by_meaning["guarded"] == pytest.approx(2 * 0.2)
    elsewhere = {one.candidate.id: one.score for one in RANKING.rank(asking(AXES[0]), [plain, guarded])}
    assert elsewhere["plain"] == elsewhere["guarded"]


def test_the_negative_itself_excludes_the_entry() -> None:
    payload = {"answer": "a", "phrasings": [], "negatives": ["Not this?"]}
    guarded = Candidate("guarded", payload, AXES[[0]], NONE, AXES[[0]])
    first, last = RANKING.rank(asking(AXES[0], "not THIS"), [guarded, candidate("z", 0.1 * AXES[[0]])])
    assert (first.candidate.id, last.confidence) == ("z", 0.0)


def test_a_phrasing_that_is_the_question_comes_first_and_is_certain() -> None:
    exact = candidate("exact", 0.1 * AXES[[0]], 0.95 * AXES[[0]])
    nearer = candidate("nearer", AXES[[0]], AXES[[0]])
    found = RANKING.rank(asking(AXES[0], " EXACT  0?"), [nearer, exact])
    assert [one.candidate.id for one in found] == ["exact", "nearer"]
    assert found[0].confidence >= EXACT_CONFIDENCE
    assert found[1].confidence <= 1 - EXACT_CONFIDENCE + 1e-9


def test_a_phrasing_of_two_entries_is_certain_of_neither() -> None:
    twins = [candidate("same", AXES[[0]], AXES[[0]], text=text) for text in ("one answer", "another")]
    found = RANKING.rank(asking(AXES[0], "same 0"), twins)
    assert [one.confidence for one in found] == [pytest.approx(found[0].confidence)] * 2
    assert found[0].confidence <= 0.5


def test_reranking_moves_the_best_and_leaves_the_others_below() -> None:
    ranking = RANKING.model_copy(update={"reranker_weight": 0.1, "reranked": CALIBRATION})
    ranked = ranking.rank(
        asking(AXES[0]), [candidate(n, s * AXES[[0]]) for n, s in [("a", 0.9), ("b", 0.8), ("c", 0.7), ("d", 0.6)]]
    )
    found = ranking.rerank(ranked, np.array([-4, 4, -2], dtype=np.float32))
    assert [one.candidate.id for one in found] == ["b", "c", "a", "d"]
    assert all(one.reranked for one in found)
    with pytest.raises(ValueError, match="without a reranker"):
        RANKING.rerank(ranked, np.ones(1, dtype=np.float32))


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.sampled_from("abcd")), min_size=1, max_size=12),
    st.floats(0, 20),
)
def test_confidence_falls_with_rank(found: list[tuple[float, str]], crowd: float) -> None:
    ranking = RANKING.model_copy(update={"calibration": CALIBRATION.model_copy(update={"crowd_weight": crowd})})
    candidates = [candidate(f"e{i}", np.float32(score) * AXES[[0]], text=text) for i, (score, text) in enumerate(found)]
    by_answer: dict[str, float] = {}
    for one in ranking.rank(asking(AXES[0]), candidates):
        # entries with one answer do not compete, so only the best of each is in order
        by_answer.setdefault(one.candidate.payload["answer"], one.confidence)
    confidences = list(by_answer.values())
    assert confidences == sorted(confidences, reverse=True)
