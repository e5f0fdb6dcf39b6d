"""Weights and confidence from held-out questions, through a real index."""

from collections.abc import Iterator

import numpy as np
import pytest

from app.encoding.bundle import Bundle, HeldOut
from app.encoding.encoder import Encoder
from app.knowledge.entry import Entry
from app.ranking.defaults import DEFAULTS, QUESTION_WEIGHT
from app.ranking.fitting import MIN_QUESTIONS, examples, unanswerable_of
from app.ranking.heldout import Outcome
from app.ranking.scored import Scored
from tests.hits import lexical_of
from tests.trainer.conftest import faq
from trainer.data.training_set import training_set
from trainer.evaluation.served import Served, served
from trainer.evaluation.weights import calibrate, choose_weights


@pytest.fixture(scope="module")
def index(tiny_bundle: Bundle) -> Iterator[Served]:
    """Sixty entries of three phrasings each."""
    with served(tiny_bundle, faq(60, 3), Encoder(tiny_bundle, threads=1)) as made:
        yield made


def held(entries: list[Entry]) -> list[HeldOut]:
    return [HeldOut(entry.alternatives[0], entry.id, entry.answer) for entry in entries]


def scored(outcomes: list[Outcome]) -> list[Scored]:
    return [Scored.of(outcome, DEFAULTS) for outcome in outcomes]


def test_too_few_held_out_questions_leave_the_default_thresholds(index: Served) -> None:
    calibration = calibrate(index, held(faq(MIN_QUESTIONS - 1, 3)), 0.9).calibration
    assert calibration.threshold == DEFAULTS.calibration.threshold
    assert calibration.offer == DEFAULTS.calibration.offer
    assert calibration.unanswerable != DEFAULTS.calibration.unanswerable  # near misses are known


def test_nothing_held_out_leaves_the_defaults_at_the_stated_share(index: Served) -> None:
    ranking = calibrate(index, [], 0.9, 0.4)
    assert (ranking.target_precision, ranking.unanswerable_share) == (0.9, 0.4)
    assert ranking.calibration == DEFAULTS.calibration.at_share(0.4)


def test_a_held_out_phrasing_does_not_stand_in_the_index(index: Served) -> None:
    for outcome in index.ask_heldout(held(faq(20, 3))):
        (own,) = outcome.hits.take(np.flatnonzero(outcome.right)[:1])
        assert outcome.removed
        assert not outcome.bare
        assert outcome.question.text not in own.payload["phrasings"]
        assert len(own.questions) == len(own.payload["phrasings"]) == 2
        assert not outcome.features.exact.any()
        assert outcome.features.phrasing.max() < 0.99999  # a question that met itself would have a cosine of 1


def test_words_of_the_phrasing_that_is_left_out_do_not_count(index: Served) -> None:
    entry = faq(1, 3)[0]
    (alone,) = index.ask_heldout([HeldOut(entry.alternatives[0], entry.id)])
    (changed,) = index.ask_heldout([HeldOut(entry.alternatives[0] + " now", entry.id)])
    before, after = (lexical_of(found.hits)[entry.id] for found in (alone, changed))
    assert before < after


def test_a_question_whose_entry_has_no_other_is_compared_with_answers_alone(tiny_bundle: Bundle) -> None:
    entries = faq(40, 1)
    with served(tiny_bundle, entries, Encoder(tiny_bundle, threads=1)) as index:
        (outcome,) = index.ask_heldout([HeldOut(entries[0].question, entries[0].id)])
    assert outcome.bare
    assert (outcome.features.matched < 0).all()
    assert np.array_equal(outcome.features.phrasing, outcome.features.answer)
    assert not any(payload["question"] for payload in outcome.hits.payloads())


def test_unanswerable_questions_are_made_where_none_are_given(index: Served) -> None:
    questions = scored(index.ask_heldout(held(faq(40, 3))))
    made = unanswerable_of(questions, 0.2)
    assert [outcome.entry for outcome in made] == [outcome.entry for outcome in questions[::4]]
    assert not any(outcome.answerable or outcome.right.any() for outcome in made)
    unanswerable = [HeldOut(f"what is love {i}", None) for i in range(20)]
    assert unanswerable_of(scored(index.ask_heldout([*held(faq(40, 3)), *unanswerable])), 0.2) == []


def test_questions_about_one_entry_are_fitted_on_together(index: Served) -> None:
    entries = faq(40, 3)
    twice = [*held(entries), *(HeldOut(f"{entry.question} please", entry.id, entry.answer) for entry in entries)]
    unanswerable = [HeldOut(f"what is love {i}", None) for i in range(20)]
    _, right, groups = examples(scored(index.ask_heldout([*twice, *unanswerable])))
    assert len(set(groups.tolist())) == 60
    assert not right[groups >= 40].any()


def test_entries_with_one_answer_are_right_together(tiny_bundle: Bundle) -> None:
    entries = [*faq(40, 2), *(entry.model_copy(update={"id": f"twin-{entry.id}"}) for entry in faq(40, 0))]
    with served(tiny_bundle, entries, Encoder(tiny_bundle, threads=1)) as index:
        outcomes = index.ask_heldout(held(faq(40, 2)))
    assert {int(outcome.right.sum()) for outcome in outcomes} <= {1, 2}
    assert sum(int(outcome.right.sum()) for outcome in outcomes) > 40
    evidence, _, _ = examples(scored(outcomes))
    assert np.isfinite(evidence.score).all()


def test_the_weight_follows_the_questions(tiny_bundle: Bundle) -> None:
    """Answers that say nothing of their questions: only phrasings find the entry."""
    entries = [entry.model_copy(update={"answer": f"See page {i}."}) for i, entry in enumerate(faq(60, 3))]
    heldout = [HeldOut(f"{entry.alternatives[1]} please", entry.id) for entry in entries]
    with served(tiny_bundle, entries, Encoder(tiny_bundle, threads=1)) as index:
        phrasing, lexical = choose_weights(index.ask_heldout(heldout))
    assert phrasing >= QUESTION_WEIGHT
    assert lexical > 0


def test_confidence_grows_with_the_score_and_the_threshold_is_one(index: Served) -> None:
    ranking = calibrate(index, training_set(faq(60, 3)).heldout, 0.8)
    assert ranking.calibration != DEFAULTS.calibration
    assert ranking.calibration.margin_weight + ranking.calibration.score_weight > 0
    assert 0.5 <= ranking.calibration.threshold <= 0.95
