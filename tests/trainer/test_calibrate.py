import numpy as np
import pytest

from app.knowledge.entry import Entry
from app.retrieval.bundle import Bundle
from app.retrieval.encoder import Encoder
from tests.trainer.conftest import faq
from trainer.calibrate import DEFAULTS, MIN_QUESTIONS, Measured, calibrate, choose_weight, examples_of
from trainer.data import HeldOut, training_set
from trainer.evaluation.corpus import Corpus


@pytest.fixture
def encoder(tiny_bundle: Bundle) -> Encoder:
    return Encoder(tiny_bundle, threads=1)


def measured(entries: list[Entry], heldout: list[HeldOut], encoder: Encoder) -> Measured:
    return Measured(Corpus(entries, encoder), heldout, encoder)


def test_too_few_held_out_questions_leave_the_defaults(encoder: Encoder) -> None:
    entries = faq(MIN_QUESTIONS - 1, 3)
    assert calibrate(entries, training_set(entries).heldout, encoder) == DEFAULTS


def test_a_held_out_phrasing_does_not_stand_in_the_index(encoder: Encoder) -> None:
    entries = faq(40, 3)
    heldout = list(training_set(entries).heldout)
    found = measured(entries, heldout, encoder)
    assert found.phrased.all()
    assert found.phrasing.max() < 0.99999  # a question that met itself would have a cosine of 1


def test_a_question_whose_entry_has_no_other_is_compared_with_answers_alone(encoder: Encoder) -> None:
    entries = faq(40, 1)
    found = measured(entries, [HeldOut(entries[0].question, entries[0].id)], encoder)
    assert not found.phrased.any()
    assert np.array_equal(found.scores(0.9), found.answer)


def test_unanswerable_questions_are_made_where_none_are_given(encoder: Encoder) -> None:
    entries = faq(40, 3)
    heldout = [HeldOut(entry.alternatives[0], entry.id) for entry in entries]
    examples = examples_of(measured(entries, heldout, encoder), 0.5)
    assert examples.best.sum() == 50
    given = [*heldout, *(HeldOut(f"what is love {i}", None) for i in range(20))]
    examples = examples_of(measured(entries, given, encoder), 0.5)
    assert examples.best.sum() == 60
    assert not examples.right[-20 * 5 :].any()


def test_a_question_asked_again_has_nothing_right_and_no_infinite_score(encoder: Encoder) -> None:
    entries = [*faq(40, 2), *(one.model_copy(update={"id": f"twin-{one.id}"}) for one in faq(40, 0))]
    heldout = [HeldOut(entry.alternatives[0], entry.id) for entry in entries[:40]]
    examples = examples_of(measured(entries, heldout, encoder), 0.5)
    assert np.isfinite(examples.scores).all()
    assert examples.right.sum() <= 40 * 2


def test_the_weight_follows_the_questions(encoder: Encoder) -> None:
    """Answers that say nothing of their questions: only phrasings find the entry."""
    entries = [entry.model_copy(update={"answer": f"See page {i}."}) for i, entry in enumerate(faq(60, 3))]
    heldout = [HeldOut(f"{entry.alternatives[1]} please", entry.id) for entry in entries]
    assert choose_weight(measured(entries, heldout, encoder)) >= DEFAULTS.question_weight


def test_confidence_grows_with_the_score_and_the_threshold_is_one(encoder: Encoder) -> None:
    entries = faq(60, 3)
    ranking = calibrate(entries, training_set(entries).heldout, encoder)
    assert ranking.calibration.margin_weight > 0
    assert 0.5 <= ranking.calibration.threshold <= 0.95
