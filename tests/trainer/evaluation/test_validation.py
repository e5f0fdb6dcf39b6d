from pathlib import Path

from app.encoding.bundle import HeldOut
from app.knowledge.entry import Entry
from tests.trainer.conftest import faq
from trainer.evaluation.validation import Validation
from trainer.training import model


def heldout(entries: list[Entry], which: slice) -> list[HeldOut]:
    return [HeldOut(text, entry.id) for entry in entries for text in entry.phrasings[which]]


def test_too_few_questions_choose_no_epoch() -> None:
    entries = faq(29, 3)
    assert Validation.of(entries, heldout(entries, slice(1, 2))) is None


def test_entries_that_are_held_out_whole_are_searched_among_answers_alone() -> None:
    entries = faq(40, 3)
    measure = Validation.of(entries, [*heldout(entries[:30], slice(1, 2)), *heldout(entries[30:], slice(None))])
    assert measure is not None
    (phrased, asked), (bare, others) = measure.parts
    assert (len(asked), len(others)) == (30, 30)
    assert phrased == entries
    assert all(not entry.phrasings for entry in bare)


def test_a_held_out_question_in_another_spelling_leaves_its_entry_without_phrasings() -> None:
    entries = faq(40, 3)
    spelled = [HeldOut(f" {question.question.upper()}", question.faq_id) for question in heldout(entries, slice(None))]
    measure = Validation.of(entries, spelled)
    assert measure is not None
    ((bare, _),) = measure.parts
    assert all(not entry.phrasings for entry in bare)


def test_a_model_is_measured_by_both_parts(tiny_base: Path) -> None:
    entries = faq(40, 3)
    held = [*heldout(entries[:30], slice(1, 2)), *heldout(entries[30:], slice(None))]
    both, first = Validation.of(entries, held), Validation.of(entries, held[:30])
    assert both is not None
    assert first is not None
    encoder = model.load(str(tiny_base), "cpu")
    parts = [Validation([part], False)(encoder)["mrr"] for part in both.parts]
    assert abs(both(encoder)["mrr"] - sum(parts) / 2) < 1e-9
    assert 0 < first(encoder)["mrr"] <= 1
