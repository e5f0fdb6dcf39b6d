"""What is an identifier, and which ones are alike."""

import pytest

from app.retrieval.identifiers import asked_identifiers, common_identifiers, identifiers_of, own_shapes, shape_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What does message L-2010 mean?", "l2010"),
        ("message L2010?", "l2010"),
        ("l_2010", "l2010"),
        ("KX 4101 is shown", "kx4101"),
        ("error 0X80071057", "0x80071057"),
        ("ISBN 978-8-4251-5799-2", "9788425157992"),
        ("ISBN 978 8425 157992.", "9788425157992"),
        ("since v2.3.10", "2.3.10"),
        ("since 2.3.10.", "2.3.10"),
        ("E20 on the display", "e20"),
        ("错误L2010代码", "l2010"),
    ],
)
def test_codes_versions_and_long_numbers_are_identifiers(text: str, name: str) -> None:
    assert identifiers_of(text) == {name}


@pytest.mark.parametrize(
    "text",
    [
        "iPhone 15, S3, EC2 and COVID-19",
        "open 24h, 10am to 5pm, 100mb for 3.50",
        "10 000 euros, or 100,000",
        "in 2024, page 12",
        "How do I renew?",
    ],
)
def test_names_quantities_years_and_round_numbers_are_none(text: str) -> None:
    assert identifiers_of(text) == frozenset()


def test_a_question_may_write_a_code_in_two_words_and_small_letters() -> None:
    assert asked_identifiers("what is kx 4100") == {"kx4100"}
    assert identifiers_of("what is kx 4100") == frozenset()


@pytest.mark.parametrize(
    ("name", "others", "different"),
    [
        ("l2010", ["l2012", "x99"], ["kx4101", "2010201"]),
        ("0x80071005", ["0x8007a059"], ["a80071005"]),
        ("9788425157992", ["9788425157999"], ["48213"]),
        ("2.3.1", ["2.3.10"], ["231231"]),
    ],
)
def test_shapes(name: str, others: list[str], different: list[str]) -> None:
    assert {shape_of(other) for other in others} == {shape_of(name)}
    assert shape_of(name) not in {shape_of(other) for other in different}


def test_a_number_in_an_answer_is_not_what_the_entry_is_about() -> None:
    asked = {"phrasings": ["Where do I return parcels?"], "answer": "To 10115 Berlin, with form RX-100."}
    assert own_shapes(asked) == {shape_of("rx100")}
    assert own_shapes({**asked, "phrasings": []}) == {shape_of("rx100"), shape_of("10115")}


def test_what_many_entries_hold_is_common() -> None:
    texts = ["form RX-100", *["see L-2010"] * 3]
    assert common_identifiers(texts) == []
    assert common_identifiers([*texts, "L2010"]) == ["l2010"]
    assert common_identifiers([*texts, "L2010", *["text"] * 400]) == []
