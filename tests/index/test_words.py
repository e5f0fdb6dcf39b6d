"""Words, in the language of the FAQ."""

import pytest

from app.errors import SettingsError
from app.index.words import IdfStatistics, WordTokenizer, average_length
from app.text.words import PLAIN


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("english", "resetting my passwords", "reset a password"),
        ("de", "Passwörter zurückgesetzt", "das Passwort zurücksetzen"),
        ("french", "les commandes remboursées", "rembourser la commande"),
        ("zh", "我的密码忘记了", "忘记密码怎么办"),
    ],
)
def test_forms_of_one_word_are_one(language: str, one: str, other: str) -> None:
    tokenizer = WordTokenizer(language)
    assert set(tokenizer.question(one).indices) & set(tokenizer.question(other).indices)


def test_stop_words_are_those_of_the_language() -> None:
    assert WordTokenizer("english").question("the of and").indices == []
    assert len(WordTokenizer("german").question("the of and").indices) > 0
    assert len(WordTokenizer(PLAIN).question("the of and").indices) == 3


def test_a_language_that_there_is_nothing_for_is_named() -> None:
    with pytest.raises(
        SettingsError, match=r"FAQ_LANGUAGE=klingon is none of arabic, .*Use `none` for any other language"
    ):
        WordTokenizer("klingon")


def test_a_rare_word_counts_more_and_a_long_text_less() -> None:
    statistics = IdfStatistics(WordTokenizer("english"), ["refund a parcel", "send a parcel", "lose a parcel"])
    assert statistics.score("refund", "refund a parcel") > statistics.score("parcel", "refund a parcel") > 0
    assert statistics.score("refund", "refund") > statistics.score("refund", "refund " + "and so much else " * 50)
    assert statistics.score("turnip", "refund a parcel") == 0


def test_an_average_is_at_least_one_word() -> None:
    assert average_length([]) == average_length(["", "我的密码"]) == 1.0
    assert average_length(["a b c", "d"]) == 2.0
