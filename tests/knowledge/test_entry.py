"""Entries: what may enter, what is refused, and the digests."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.knowledge.entry import Entry, content_hash, knowledge_revision


def refusal(**fields: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Entry(**({"answer": "a"} | fields))  # type: ignore[arg-type]
    return str(caught.value)


def test_an_answer_is_enough() -> None:
    entry = Entry(answer=" Yes. ")
    assert (entry.question, entry.answer, entry.phrasings) == ("", "Yes.", ())
    assert entry.id == content_hash("", "Yes.")


def test_phrasings_are_in_order_and_without_repeats() -> None:
    entry = Entry(answer="a", question="q", alternatives=("r", "q", " ", "r", "s"))
    assert entry.alternatives == ("r", "q", "r", "s")
    assert entry.phrasings == ("q", "r", "s")


def test_an_entry_without_state_has_the_digest_that_it_had_before_there_were_states() -> None:
    entry = Entry(id="a", question="q", answer="a", alternatives=("b",), metadata={"state": "NY"})
    assert entry.digest == "dfb0d6c954afa9ba3058f3e504af9a889f3fd9c64fb1d203023efe280fd098b5"
    for name, value in {"state": "draft", "valid_from": "2026-01-01", "follow_ups": ("b",)}.items():
        assert Entry.model_validate(entry.model_dump() | {name: value}).digest != entry.digest


def test_lists_are_taken_for_tuples() -> None:
    entry = Entry.model_validate({"answer": "a", "alternatives": ["b", "", None]})
    assert entry.alternatives == ("b",)
    assert Entry.model_validate_json(entry.model_dump_json()) == entry


@pytest.mark.parametrize("field", ["id", "question", "answer"])
@pytest.mark.parametrize(("bad", "named"), [("a\0b", "U+0000"), ("a\x1bb", "U+001B"), ("a\ud800b", "U+D800")])
def test_characters_that_no_text_holds(field: str, bad: str, named: str) -> None:
    assert f"`{field}` holds" in refusal(**{field: bad})
    assert f"({named}) at character 2" in refusal(**{field: bad})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"answer": " \n "}, "`answer` is empty"),
        ({"answer": "x" * 25_001}, "`answer` has 25,001 characters; at most 25,000 are allowed"),
        ({"answer": 3}, "`answer` must be text, not a number"),
        ({"answer": None}, "`answer` must be text, not null"),
        ({"question": "x" * 1_001}, "`question` has 1,001 characters"),
        ({"id": "  "}, "`id` is empty"),
        ({"id": "x" * 201}, "`id` has 201 characters"),
        ({"id": "a\nb"}, "`id` holds a tab or a line break"),
        ({"alternatives": "one"}, "`alternatives` must be a list of texts, not text"),
        ({"alternatives": [3]}, "`alternatives[0]` must be text"),
        ({"negatives": ["ok", "a\0"]}, "`negatives[1]` holds a control character"),
        ({"alternatives": ["x"] * 1_001}, "`alternatives` has 1,001 items"),
        ({"metadata": []}, "`metadata` must be an object, not a list"),
        ({"metadata": {"a": {"b": 1}}}, "`a` is an object; metadata is flat"),
        ({"metadata": {"a": [1]}}, "`a[0]` must be text"),
        ({"metadata": {"a": "\0"}}, "`a` holds a control character"),
        ({"metadata": {"a": 2**63}}, "`a` is a number beyond 64 bits"),
        ({"metadata": {"answer": "x"}}, "metadata may not hold `answer`"),
        ({"metadata": {"metadata": "x"}}, "metadata may not hold `metadata`"),
        ({"metadata": {" ": "x"}}, "`a metadata key` is empty"),
        ({"metadata": {"a\0": "x"}}, "`a metadata key` holds a control character"),
        ({"extra": 1}, "Extra inputs are not permitted"),
    ],
)
def test_refused(fields: dict[str, object], reason: str) -> None:
    assert reason in refusal(**fields)


def test_the_longest_texts() -> None:
    entry = Entry(answer=f" {'x' * 25_000}\n", question="y" * 1_000, id="z" * 200)
    assert len(entry.answer) == 25_000


def test_metadata_keeps_its_types_and_drops_what_is_absent() -> None:
    given = {"a": 1, "b": 1.0, "c": True, "d": "t", "e": ["x", "y"]}
    absent = {"f": None, "g": math.nan, "h": math.inf, "i": -math.inf}
    entry = Entry.model_validate({"answer": "a", "metadata": given | absent | {"j": ["x", None, math.nan]}})
    assert entry.metadata == given | {"j": ["x"]}
    assert [type(value) for value in entry.metadata.values()] == [int, float, bool, str, list, list]


def test_text_is_kept_as_given_apart_from_its_ends() -> None:
    assert Entry(answer="e\u0301\t1\r\n2\r3\u00a0").answer == "e\u0301\t1\n2\n3"


def test_an_entry_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Entry(answer="a").answer = "b"  # type: ignore[misc]


def test_a_derived_id_survives_edits_of_the_rest() -> None:
    entry = Entry(answer="a", question="q")
    assert entry.id == Entry(answer="a", question="q", alternatives=("r",), metadata={"k": "v"}).id
    assert entry.id != Entry(answer="a", question="p").id
    assert len(entry.id) == 16
    assert content_hash("ab", "c") != content_hash("a", "bc")


def test_the_revision_depends_on_everything_but_the_order() -> None:
    base = Entry(id="1", answer="a", question="q")
    other = Entry(id="2", answer="b")
    revision = knowledge_revision([base, other])
    assert revision == knowledge_revision(iter([other, base]))
    assert len(revision) == 12
    variants: list[dict[str, object]] = [
        {"id": "3"},
        {"question": "p"},
        {"answer": "c"},
        {"alternatives": ("r",)},
        {"negatives": ("r",)},
        {"metadata": {"k": 1}},
        {"metadata": {"k": 1.0}},
        {"metadata": {"k": True}},
        {"metadata": {"k": "1"}},
    ]
    changed = [knowledge_revision([base.model_copy(update=edit), other]) for edit in variants]
    assert len({revision, knowledge_revision([base]), knowledge_revision([]), *changed}) == len(variants) + 3


def test_metadata_order_does_not_count() -> None:
    first = Entry(answer="a", metadata={"x": 1, "y": 2})
    assert first.digest == Entry(answer="a", metadata={"y": 2, "x": 1}).digest


@settings(deadline=None, max_examples=100, database=None)
@given(st.text())
def test_any_text_is_taken_or_refused_and_taking_it_twice_changes_nothing(given_text: str) -> None:
    try:
        entry = Entry(answer=given_text)
    except ValidationError:
        return
    assert Entry(answer=entry.answer) == entry
    entry.answer.encode()
