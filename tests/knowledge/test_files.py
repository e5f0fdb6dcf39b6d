"""FAQ files: formats, near misses, merging, and the way back."""

import contextlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import FileError, InputError, Place
from app.knowledge.entry import RESERVED, Entry, content_hash
from app.knowledge.files import read_entries, write_entries
from app.knowledge.gathering import near_miss
from tests.knowledge.files import bad_rows, lines, parse


def test_the_three_formats_are_read_alike(tmp_path: Path) -> None:
    row = {"id": "1", "question": "q", "answer": "a\nb", "alternatives": ["r", "s"], "negatives": ["n"], "lang": "de"}
    texts = {
        "faq.jsonl": lines(row),
        "faq.ndjson": "\n" + lines(row) + "\n",
        "faq.json": json.dumps([row], indent=2),
        "faq.csv": 'id,question,answer,alternatives,negatives,lang\n1,q,"a\nb",r|s,n,de\n',
    }
    expected = Entry(
        id="1", question="q", answer="a\nb", alternatives=("r", "s"), negatives=("n",), metadata={"lang": "de"}
    )
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert read_entries(tmp_path / name).entries == [expected]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_spreadsheets_write_it(delimiter: str) -> None:
    text = "\ufeffquestion,answer,lang,\r\nq,a,nan,x\r\n,,,\r\n\r\nr,b,de,\r\n".replace(",", delimiter)
    first, second = parse(text, "faq.csv").entries
    assert first == Entry(question="q", answer="a")
    assert second.metadata == {"lang": "de"}


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse("\ufeff" + lines({"answer": "a"})).entries == [Entry(answer="a")]


def test_unknown_keys_and_the_metadata_object_are_merged() -> None:
    row = {"answer": "a", "source": "x", "metadata": {"lang": "de", "source": "x", "none": None}}
    assert parse(lines(row)).entries[0].metadata == {"source": "x", "lang": "de"}
    (clash,) = bad_rows(lines(row | {"lang": "en"}))
    assert clash.reason == "`lang` is given twice, beside `metadata` and in it, with different values"


def test_csv_metadata_is_json() -> None:
    text = 'answer,metadata\na,"{""n"": 1}"\nb,"{"\nc,3\n'
    first, second = bad_rows(text, "faq.csv")
    assert (first.line, second.line) == (3, 4)
    assert "broken JSON at column 2" in first.reason
    assert second.reason == "`metadata` must be an object, not a number"
    assert parse(text.split("b,")[0], "faq.csv").entries[0].metadata == {"n": 1}


def test_nan_and_infinities_are_read_as_absent() -> None:
    text = '{"answer": "a", "question": NaN, "x": Infinity, "y": -Infinity, "z": 1e999, "metadata": {"w": NaN}}'
    assert parse(text).entries == [Entry(answer="a")]
    assert parse("question,answer,x\nNaN,a,-inf\n", "faq.csv").entries == [Entry(question="NaN", answer="a")]
    (row,) = bad_rows('{"answer": NaN, "question": "q"}')
    assert row.reason == "needs `answer`; it has `question`"


def test_a_number_may_be_an_id() -> None:
    assert parse('{"id": 17, "answer": "a"}').entries[0].id == "17"


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("anwser", "answer"),
        ("alternative", "alternatives"),
        ("Question ", "question"),
        ("ID", "id"),
        ("question_id", None),
        ("source", None),
        ("metdata", "metadata"),
    ],
)
def test_near_misses(key: str, meant: str | None) -> None:
    assert near_miss(key) == meant


def test_state_and_validity_have_keys_of_their_own_and_a_key_state_stays_metadata() -> None:
    rows = [
        {"answer": "a", "state": "NY", "entry.state": "draft", "entry.valid_from": "2026-01-01T09:00:00+01:00"},
        {"answer": "b", "state": "draft", "entry.valid_until": "2026-01-31", "entry.follow_ups": ["x", "x", "y"]},
        {"answer": "c", "entry.state": "", "entry.valid_from": "", "metadata": {"entry.state": "kept"}},
    ]
    file = parse(lines(*rows))
    first, second, third = file.entries
    assert (first.state, first.metadata, first.valid_from) == ("draft", {"state": "NY"}, "2026-01-01T08:00:00Z")
    assert (second.state, second.metadata) == ("live", {"state": "draft"})
    assert (second.valid_until, second.follow_ups) == ("2026-02-01T00:00:00Z", ("x", "y"))
    assert (third.state, third.valid_from, third.metadata) == ("live", None, {"entry.state": "kept"})
    assert [str(warning) for warning in file.warnings] == [
        "line 2: `state` is kept as metadata; did you mean `entry.state`?"
    ]
    with pytest.raises(FileError, match="`valid_from` is no time between the years 1900 and 9998"):
        parse(lines({"answer": "a", "entry.valid_from": "soon"}))


def test_a_near_miss_is_warned_of_once() -> None:
    rows = [{"answer": str(i), "source": "x"} | ({"Question ": "q"} if i else {}) for i in range(4)]
    (warning,) = parse(lines(*rows)).warnings
    assert (warning.kind, warning.count, warning.places) == ("near_miss", 3, (Place(2), Place(3), Place(4)))
    assert str(warning) == "line 2: `Question ` is kept as metadata; did you mean `question`? (2 more: lines 3, 4)"


def test_identical_content_is_one_entry() -> None:
    row = {"question": "q", "answer": "a", "lang": "de"}
    file = parse(lines(row, {"answer": "b"}, row | {"id": "x"}, row, row | {"id": "y"}))
    assert [entry.id for entry in file.entries] == ["x", content_hash("", "b")]
    (merged,) = file.merged
    assert (merged.id, merged.places, merged.other_ids) == ("x", tuple(map(Place, (1, 3, 4, 5))), ("y",))
    assert str(merged) == "lines 1, 3, 4, 5 are one entry, `x` (also called `y`)"
    assert (file.merged_rows, file.aliases) == (3, {"y": "x"})


def test_one_id_with_two_contents_is_an_error() -> None:
    text = lines({"id": "x", "answer": "a"}, {"id": "x", "answer": "a"}, {"id": "x", "answer": "b"})
    (row,) = bad_rows(text)
    assert (row.line, row.field) == (3, "id")
    assert row.reason == "the id `x` is on line 1 too, with other content"


def test_an_id_that_merging_dropped_still_has_one_content() -> None:
    text = lines({"id": "x", "answer": "a"}, {"id": "y", "answer": "b"}, {"id": "y", "answer": "a"})
    (row,) = bad_rows(text)
    assert (row.line, row.reason) == (3, "the id `y` is on line 2 too, with other content")


def test_same_question_and_answer_with_other_metadata_are_two_entries() -> None:
    file = parse(lines({"answer": "a", "lang": "de"}, {"answer": "a", "lang": "en"}))
    first, second = file.entries
    assert first.id == content_hash("", "a") != second.id
    assert list(map(str, file.warnings)) == ["line 2: same question and answer as another entry, but not the same rest"]


def test_the_digest_is_of_the_bytes() -> None:
    assert parse('{"answer": "a"}').sha256 != parse('{"answer":  "a"}').sha256


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=20)
words = texts.filter(lambda text: text.strip())
keys = words.filter(lambda key: key not in RESERVED and not {"\n", "\t"} & {*key.strip()})
values = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(words, max_size=3),
)
entries = st.builds(
    lambda **fields: Entry(**fields),
    question=texts,
    answer=words,
    alternatives=st.lists(texts, max_size=3),
    negatives=st.lists(texts, max_size=2),
    metadata=st.dictionaries(keys, values, max_size=4),
)


@settings(deadline=None, max_examples=100, database=None)
@given(st.lists(entries, min_size=1, max_size=5, unique_by=lambda entry: entry.id))
def test_what_is_written_is_read_back(written: list[Entry]) -> None:
    stream = io.StringIO()
    assert write_entries(written, stream) == len(written)
    read = parse(stream.getvalue())
    assert read.entries == written
    assert [entry.digest for entry in read.entries] == [entry.digest for entry in written]


@settings(deadline=None, max_examples=100, database=None)
@given(st.binary(max_size=60), st.sampled_from(["f.jsonl", "f.json", "f.csv"]))
def test_no_bytes_crash_the_reader(data: bytes, name: str) -> None:
    for content in (data, b"answer,id\n" + data, b'[{"answer": "' + data):
        with contextlib.suppress(InputError):
            parse(content, name)


def test_writing_to_a_path(tmp_path: Path) -> None:
    entry = Entry(answer="é", metadata={"b": 1, "a": ["x"]})
    write_entries([entry], tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == (
        f'{{"id": "{entry.id}", "answer": "é", "b": 1, "a": ["x"]}}\n'
    )


def test_the_shared_faqs(shared: Path) -> None:
    counts = {"cloud_faq_train": 6_373, "clinc150": 150, "hint3_sofmattress": 21, "squad_passages": 2_429}
    for name, count in counts.items():
        file = read_entries(shared / f"{name}.jsonl")
        assert len(file.entries) == count
        assert {warning.kind for warning in file.warnings} <= {
            "different_answers",
            "html",
            "mojibake",
            "near_identical",
        }
        assert file.merged_rows == (1 if name == "squad_passages" else 0)
