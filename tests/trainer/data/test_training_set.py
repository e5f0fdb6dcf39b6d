import pytest

from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.text.normalize import normalize
from tests.trainer.conftest import faq
from trainer.data.training_set import TrainingSet, group_entries, renamed, training_set


def texts(training: TrainingSet) -> set[str]:
    return {normalize(text) for pair in training.pairs for text in pair[:2]}


def test_rich_entries_hold_a_phrasing_out_and_keep_the_canonical_one() -> None:
    entries = faq(40, 3)
    training = training_set(entries)
    assert len(training.heldout) == 40
    assert {entry.question for entry in entries} <= {pair.anchor for pair in training.pairs}


def test_poor_entries_are_held_out_whole_with_their_answers() -> None:
    entries = faq(60, 1)
    training = training_set(entries)
    gone = {question.faq_id for question in training.heldout}
    assert len(gone) == 6
    assert not {entry.answer for entry in entries if entry.id in gone} & {pair.positive for pair in training.pairs}


def test_an_answer_of_a_whole_held_out_entry_is_trained_on_under_no_other_entry() -> None:
    entries = [Entry(id=f"{i}", question=f"question {i}", answer=f"answer {i // 2}") for i in range(100)]
    training = training_set(entries)
    held = {entry.answer for entry in entries if entry.id in {question.faq_id for question in training.heldout}}
    assert held
    assert not held & {pair.positive for pair in training.pairs}


def test_no_held_out_question_is_trained_on_in_any_spelling() -> None:
    entries = [*faq(40, 4), *(entry.model_copy(update={"id": f"x{entry.id}"}) for entry in faq(40, 1))]
    labelled = [Query(f"labelled  QUESTION {i}", faq_id=entries[i % 40].id) for i in range(80)]
    training = training_set(entries, labelled)
    assert not {normalize(question.question) for question in training.heldout} & texts(training)


def test_a_question_that_is_an_answer_word_for_word_is_never_both_held_out_and_trained_on() -> None:
    entries = faq(40, 4)
    labelled = [Query(f"Labelled question {i}", faq_id=entries[0].id) for i in range(6)]
    held = [
        question.question
        for question in training_set(entries, labelled).heldout
        if question.question.startswith("Labelled")
    ]
    entries += [Entry(id=f"echo {i}", question=f"Who {i}?", answer=f"{text.upper()}!") for i, text in enumerate(held)]
    unanswerable = Query(entries[1].answer.lower())
    training = training_set(entries, [*labelled, unanswerable])
    questions = {question.question for question in training.heldout}
    assert held
    assert not questions & set(held)  # the answers stay trainable
    assert {f"{text.upper()}!" for text in held} <= {pair.positive for pair in training.pairs}
    assert unanswerable.question in questions
    assert not {normalize(question) for question in questions} & texts(training)


def test_the_split_is_the_same_whatever_the_order_of_the_entries() -> None:
    entries = faq(60, 3)
    assert set(training_set(entries).heldout) == set(training_set(entries[::-1]).heldout)


def test_another_seed_splits_otherwise() -> None:
    assert training_set(faq(60, 4), seed=1).heldout != training_set(faq(60, 4), seed=2).heldout


def test_labelled_questions_are_partly_trained_on_and_unanswerable_ones_held_out() -> None:
    labelled = [*(Query(f"asked {i}", faq_id=faq(1, 2)[0].id) for i in range(10)), Query("what is love")]
    training = training_set(faq(9, 2), labelled)
    assert sum(question.question.startswith("asked") for question in training.heldout) == 3
    assert sum(pair.anchor.startswith("asked") and pair.positive.startswith("To") for pair in training.pairs) == 7
    assert [question.question for question in training.heldout if question.faq_id is None] == ["what is love"]


def test_a_labelled_question_of_an_unknown_entry_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="who knows"):
        training_set(faq(9, 2), [Query("who knows", faq_id="nobody")])


def test_an_id_that_was_merged_away_still_names_its_entry() -> None:
    assert renamed([Query("q", faq_id="old"), Query("q", label="old")], {"old": "new"})[0].faq_id == "new"


def test_passages_are_not_trained_on() -> None:
    assert training_set(faq(60, 0)).pairs == ()


def test_entries_that_share_a_text_are_one_group() -> None:
    first = Entry(id="1", question="a?", answer="x")
    second = Entry(id="2", question="b?", answer="x")
    third = Entry(id="3", question="B? ", answer="y")
    fourth = Entry(id="4", question="c?", answer="z")
    groups = group_entries([first, second, third, fourth])
    assert len({*groups[:3]}) == 1
    assert groups[3] != groups[0]


def test_answers_with_markup_are_trained_on_as_their_plain_text() -> None:
    plain = faq(30, 4)
    marked = [entry.model_copy(update={"answer": f"<p>{entry.answer.replace(' ', '&#32;')}</p>"}) for entry in plain]
    assert training_set(marked) == training_set(plain)
    by_answer = [Query("what is this", answer=plain[0].answer), Query("and this", answer=marked[1].answer)]
    assert training_set(marked, by_answer) == training_set(plain, by_answer)


def test_too_small_says_what_it_takes() -> None:
    assert "16 entries" in (training_set(faq(10, 3)).too_small or "")
    assert training_set(faq(40, 3)).too_small is None


def test_the_data_hash_follows_the_texts() -> None:
    entries = faq(40, 3)
    changed = [*entries[:-1], entries[-1].model_copy(update={"answer": "otherwise"})]
    assert training_set(entries).sha256 == training_set(faq(40, 3)).sha256 != training_set(changed).sha256
