"""Which questions complete a text."""

import pytest

from app.knowledge.completion import MOST_READ, Completions

QUESTIONS = [
    ("refund", "When will I get my refund?"),
    ("gift", "Do you sell gift cards?"),
    ("where", "Where is my order?"),
    ("track", "How do I track where my order is?"),
    ("cafe", "Wie öffne ich das Café-Menü?"),
    ("passage", ""),
]


@pytest.fixture(scope="module")
def completions() -> Completions:
    return Completions(QUESTIONS)


@pytest.mark.parametrize(
    ("typed", "ids"),
    [
        ("ref", ["refund"]),
        ("my ord", ["where", "track"]),
        ("order where", ["where", "track"]),
        ("How do I", ["track"]),
        ("WHERE", ["where", "track"]),
        ("offn", ["cafe"]),
        ("öffne", ["cafe"]),
        ("fund", []),  # the end of a word
        ("gift refund", []),
        ("", []),
        ("?!", []),
        ("order\nwhere", ["where", "track"]),
    ],
)
def test_every_word_begins_a_word_of_the_question(typed: str, ids: list[str], completions: Completions) -> None:
    assert [completion.id for completion in completions.of(typed, 8)] == ids


def test_a_question_that_begins_with_the_text_comes_first() -> None:
    completions = Completions([("inside", "Is card payment free?"), ("begins", "Card payment: which cards?")])
    assert [completion.id for completion in completions.of("card pay", 2)] == ["begins", "inside"]
    assert [completion.id for completion in completions.of("card pay", 1)] == ["begins"]


def test_equal_questions_are_shown_once_and_common_words_stay_cheap() -> None:
    same = [(str(number), "How do I pay?") for number in range(50)]
    many = [(f"n{number}", f"How do I return item {number}?") for number in range(2 * MOST_READ)]
    completions = Completions(same + many)
    assert len(completions.of("how", 20)) == 20
    assert [completion.question for completion in completions.of("how pay", 8)] == ["How do I pay?"]
