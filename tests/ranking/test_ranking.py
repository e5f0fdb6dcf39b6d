"""Features, scores, confidence: the arithmetic between a candidate and an answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.arrays import Vectors
from app.index.candidates import Candidate, Question
from app.ranking.calibration import Calibration
from app.ranking.ranked import RankedEntry
from app.ranking.ranking import BESIDE_EXACT, Ranking
from tests.hits import hits_of

AXES: Vectors = np.eye(4, dtype=np.float32)
NONE: Vectors = np.empty((0, 4), dtype=np.float32)
CALIBRATION = Calibration(bias=-4, score_weight=8, margin_weight=5, threshold=0.5)
RANKING = Ranking(question_weight=0.75, lexical_weight=0.01, negative_weight=2, calibration=CALIBRATION)


def candidate(name: str, answer: Vectors, questions: Vectors = NONE, *, text: str | None = None) -> Candidate:
    phrasings = [f"{name} {n}" for n in range(len(questions))]
    payload = {"id": name, "answer": text or name, "phrasings": phrasings, "negatives": []}
    return Candidate(name, payload, answer, questions, NONE)


def asking(vector: Vectors, text: str = "what", *identifiers: str) -> Question:
    return Question(text, vector, frozenset(identifiers))


def ranked_for(question: Question, *entries: Candidate, **lexical: float) -> list[RankedEntry]:
    """The entries ranked, best first; `lexical`: the BM25 scores of some by their ids."""
    return list(RANKING.rank(question, hits_of(question, entries, lexical)))


def test_a_score_weighs_the_best_phrasing_against_the_best_window() -> None:
    two = candidate("two", np.stack([0.2 * AXES[0], 0.4 * AXES[0]]), np.stack([0.1 * AXES[0], 0.8 * AXES[0]]))
    (ranked,) = ranked_for(asking(AXES[0]), two)
    assert ranked.score == pytest.approx(0.75 * 0.8 + 0.25 * 0.4)
    assert ranked.matched == 1


def test_a_passage_is_scored_by_its_answer() -> None:
    (ranked,) = ranked_for(asking(AXES[1]), candidate("passage", AXES[[1]]))
    assert (ranked.score, ranked.matched) == (1.0, None)


def test_words_count_beside_meaning() -> None:
    found = ranked_for(asking(AXES[0]), candidate("b", AXES[[0]]), candidate("c", AXES[[0]]), c=12.5)
    assert [(one.id, one.score) for one in found] == [("c", pytest.approx(1.125)), ("b", 1.0)]


def test_best_first_and_equal_scores_by_id() -> None:
    found = ranked_for(asking(AXES[0]), *(candidate(name, AXES[[0]]) for name in "cab"), candidate("z", AXES[[1]]))
    assert [one.id for one in found] == ["a", "b", "c", "z"]
    assert ranked_for(asking(AXES[0])) == []


def test_what_an_entry_must_not_answer_pushes_it_down() -> None:
    """By meaning: the question is nearer to the negative than to the entry, though it is not the negative's text."""
    tilted: Vectors = np.array([[0.6, 0.8, 0, 0]], dtype=np.float32)
    plain = candidate("plain", tilted, tilted)
    other = candidate("other", tilted, tilted)
    payload = {**other.payload, "id": "guarded", "negatives": ["not this"]}
    guarded = Candidate("guarded", payload, tilted, tilted, AXES[[1]])
    by_meaning = {one.id: one.score for one in ranked_for(asking(AXES[1]), plain, guarded)}
    assert by_meaning["plain"] - by_meaning["guarded"] == pytest.approx(2 * 0.2)
    elsewhere = {one.id: one.score for one in ranked_for(asking(AXES[0]), plain, guarded)}
    assert elsewhere["plain"] == elsewhere["guarded"]


def test_an_entry_that_its_negative_excludes_is_not_ranked() -> None:
    payload = {"id": "guarded", "answer": "a", "phrasings": ["not this"], "negatives": ["Not this?"]}
    guarded = Candidate("guarded", payload, AXES[[0]], AXES[[0]], AXES[[1]])
    question = asking(AXES[0], "not THIS")
    ranked = ranked_for(question, guarded, candidate("z", 0.1 * AXES[[0]]))
    assert [one.id for one in ranked] == ["z"]
    assert ranked_for(question, guarded) == []


def test_a_phrasing_that_is_the_question_comes_first_and_is_certain() -> None:
    exact = candidate("exact", 0.1 * AXES[[0]], np.stack([0.2 * AXES[1], 0.1 * AXES[0]]))
    nearer = candidate("nearer", AXES[[0]], AXES[[0]])
    question = asking(AXES[0], " EXACT  0?")
    ranked = ranked_for(question, nearer, exact)
    assert [(one.id, one.exact, one.matched) for one in ranked] == [("exact", True, 0), ("nearer", False, 0)]
    assert ranked[0].confidence == 1
    assert ranked[1].confidence <= BESIDE_EXACT


def test_accents_count_where_a_phrasing_has_them() -> None:
    entries = [candidate(name, AXES[[0]], AXES[[0]]) for name in ("résumé", "resume", "other")]
    for text, exact in (("resume 0", {"resume"}), ("Résumé 0", {"résumé"}), ("resumé 0", {"résumé", "resume"})):
        question = asking(AXES[0], text)
        ranked = ranked_for(question, *entries)
        assert {one.id for one in ranked if one.exact} == exact
        assert {one.id for one in ranked[: len(exact)]} == exact


def test_answers_that_stand_for_one_phrasing_share_the_certainty() -> None:
    question = asking(AXES[0], "same 0")
    twins = [candidate("same", AXES[[0]], AXES[[0]], text=text) for text in ("one answer", "another")]
    shared = ranked_for(question, *twins)
    assert [(one.exact, one.confidence) for one in shared] == [(True, 0.5)] * 2
    alike = ranked_for(question, twins[0], twins[0])
    assert [one.confidence for one in alike] == [1] * 2


def test_an_entry_that_holds_the_identifier_ranks_above_nearer_ones() -> None:
    holder = candidate("Message KX4101", 0.5 * AXES[[0]], 0.6 * AXES[[0]])
    both = candidate("KX4101 or L-2010", 0.4 * AXES[[0]], 0.5 * AXES[[0]])
    nearer = candidate("Message KX4100", AXES[[0]], AXES[[0]])
    question = asking(AXES[0], "what is KX4101 beside L2010", "kx4101", "l2010")
    ranked = ranked_for(question, nearer, holder, both)
    assert [one.id for one in ranked] == ["KX4101 or L-2010", "Message KX4101", "Message KX4100"]
    assert [one.confidence for one in ranked] == sorted((one.confidence for one in ranked), reverse=True)
    alone = ranked_for(question, holder)
    assert ranked[0].confidence > ranked_for(asking(AXES[0]), both, nearer)[-1].confidence
    assert alone[0].confidence >= ranked[1].confidence


def test_an_entry_with_another_identifier_of_the_same_shape_loses_its_confidence() -> None:
    other, free = candidate("Message L-2010", AXES[[0]], AXES[[0]]), candidate("Messages", 0.9 * AXES[[0]])
    unknown, plain = asking(AXES[0], "L-2012", "l2012"), asking(AXES[0], "message")
    before = {one.id: one.confidence for one in ranked_for(plain, other, free)}
    after = {one.id: one.confidence for one in ranked_for(unknown, other, free)}
    assert after["Message L-2010"] == pytest.approx(0.1 * before["Message L-2010"])
    assert after["Messages"] == before["Messages"]
    assert next(iter(after)) == "Messages"


@pytest.mark.parametrize("identifier", ["48213077", "20241224", "2.3.1"])
def test_an_order_number_or_a_date_changes_nothing(identifier: str) -> None:
    """No entry holds it, nor another of its shape."""
    entries = [candidate(name, AXES[[0]], AXES[[0]]) for name in ("Message L-2010", "my order")]
    plain, numbered = asking(AXES[0], "where is it"), asking(AXES[0], f"where is {identifier}", identifier)
    without, found = (ranked_for(question, *entries) for question in (plain, numbered))
    assert [(one.id, one.confidence) for one in found] == [(one.id, one.confidence) for one in without]


@pytest.mark.parametrize("text", ["\u200b", "\u200d\u200d", "\u0301", "😀", "❤️", "?", "…", "2", "48213", "٣"])
def test_a_question_without_a_letter_is_sure_of_nothing_that_no_word_supports(text: str) -> None:
    question = asking(AXES[0], text)
    entry = candidate("entry", AXES[[0]], AXES[[0]])
    (ranked,) = ranked_for(question, entry)
    assert ranked.confidence == 0
    (supported,) = ranked_for(question, entry, entry=3.0)
    assert supported.confidence > 0.5


@pytest.mark.parametrize("text", ["😀", "?", "…", "24/7"])
def test_an_entry_may_be_asked_without_a_letter_word_for_word(text: str) -> None:
    entry = candidate("entry", 0.1 * AXES[[0]], 0.1 * AXES[[0]])
    entry = entry._replace(payload={**entry.payload, "phrasings": [text]})
    question = asking(AXES[0], text)
    (ranked,) = ranked_for(question, entry)
    assert (ranked.exact, ranked.confidence) == (True, 1)


def test_reranking_leaves_identifiers_and_exact_matches_first() -> None:
    ranking = RANKING.model_copy(update={"reranker_weight": 0.1, "reranked": CALIBRATION})
    holder, nearer = candidate("L-2010", 0.5 * AXES[[0]], 0.5 * AXES[[0]]), candidate("L-2011", AXES[[0]], AXES[[0]])
    question = asking(AXES[0], "what is L-2010", "l2010")
    again = ranking.rerank(ranking.rank(question, hits_of(question, [nearer, holder])), np.array([-9, 9], np.float32))
    assert [one.id for one in again] == ["L-2010", "L-2011"]
    unknown = asking(AXES[0], "what is L-2012", "l2012")
    ranked = ranking.rank(unknown, hits_of(unknown, [nearer]))
    (doubted,) = ranking.rerank(ranked, np.ones(1, np.float32))
    assert doubted.confidence == pytest.approx(ranked.confidences[0])


def test_reranking_moves_the_best_and_leaves_the_others_below() -> None:
    ranking = RANKING.model_copy(update={"reranker_weight": 0.1, "reranked": CALIBRATION})
    entries = [candidate(n, s * AXES[[0]]) for n, s in [("a", 0.9), ("b", 0.8), ("c", 0.7), ("d", 0.6)]]
    ranked = ranking.rank(asking(AXES[0]), hits_of(asking(AXES[0]), entries))
    found = ranking.rerank(ranked, np.array([-4, 4, -2], dtype=np.float32))
    assert [one.id for one in found] == ["b", "c", "a", "d"]
    assert found.reranked
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
    for one in ranking.rank(asking(AXES[0]), hits_of(asking(AXES[0]), candidates)):
        # entries with one answer do not compete, so only the best of each is in order
        by_answer.setdefault(one.payload["answer"], one.confidence)
    confidences = list(by_answer.values())
    assert confidences == sorted(confidences, reverse=True)
