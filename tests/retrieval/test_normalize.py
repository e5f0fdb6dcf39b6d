"""When two texts are the same question."""

import pytest

from app.retrieval.normalize import fold_accents, has_letter, normalize


@pytest.mark.parametrize(
    "text",
    [
        "How do I reset it?",
        "  how DO i\nreset it ",
        "“How do I reset it”.",
        "How\u00a0do\u3000I reset it",
        "\ufeffHow do I re\u00adset\u200b it",
    ],
)
def test_case_space_invisible_characters_and_outer_punctuation_do_not_count(text: str) -> None:
    assert normalize(text) == "how do i reset it"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Cafe\u0301", "CAFÉ"),
        ("STRASSE", "Straße"),
        ("¿Cuánto cuesta?", "cuánto cuesta"),
        ("図書カードの作り方は？", "図書カードの作り方は"),
        ("ما هي ساعات العمل؟", "ما هي ساعات العمل"),
        ("ΟΔΟΣ", "οδος"),
        ("❤\ufe0f", "❤"),
    ],
)
def test_texts_of_every_script_are_compared_alike(text: str, same: str) -> None:
    assert normalize(text) == normalize(same)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("C++ or C?", "C or C?"),
        ("C#", "C"),
        ("résumé", "resume"),
        ("x²", "x2"),
        ("か", "が"),
        ("?", "…"),
        ("10 %", "10"),
    ],
)
def test_what_has_another_meaning_is_another_text(text: str, other: str) -> None:
    assert normalize(text) != normalize(other)


def test_punctuation_alone_is_kept_and_invisible_characters_alone_are_nothing() -> None:
    assert (normalize(" ?! "), normalize("\u200b"), normalize("\u200d\u200d")) == ("?!", "", "")


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("où est le café", "ou est le cafe"),
        ("İSTANBUL", "istanbul"),
        ("zwrócić łódź", "zwrocic lodz"),
        ("don’t", "don't"),
    ],
)
def test_accents_are_folded_on_demand(text: str, folded: str) -> None:
    assert fold_accents(normalize(text)) == folded


@pytest.mark.parametrize("text", ["が", "पुस्तकालय कार्ड कैसे बनवाएँ", "как продлить"])
def test_marks_that_make_another_letter_are_no_accents(text: str) -> None:
    assert fold_accents(text) == text


def test_letters_of_every_script_are_letters() -> None:
    assert all(has_letter(text) for text in ("a", "1 книга", "は", "क"))
    assert not any(has_letter(text) for text in ("", "12-3", "😀", "\u200b", "\u0301", "…", "٣"))
