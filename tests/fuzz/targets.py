"""The parsers that the fuzzing tests and `python -m benchmarks.fuzz` run, each with a strategy for its inputs.

A target may raise one of `REFUSALS` with a message; any other error is a defect.
"""

import base64
import contextlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi.exceptions import RequestValidationError
from hypothesis import strategies as st
from pydantic import ValidationError

from app.api.entry_schemas import EntryBatch, EntryBody, EntryChanges
from app.api.schemas import Ask, AskBatch
from app.encoding.bundle import Bundle, Manifest
from app.errors import FaqError, InputError
from app.index.conditions import condition_of
from app.index.filters import check, fields_of
from app.index.protocol import IndexRecord
from app.knowledge.entry import Entry, knowledge_revision
from app.knowledge.files import entry_line, parse_entries
from app.knowledge.queries import read_queries
from app.questions.redaction import redacted
from app.questions.token import Tokens
from app.ranking.ranking import Ranking
from app.settings import Settings
from trainer.data.queries import read_labelled

REFUSALS = (FaqError, ValidationError)


@dataclass(frozen=True)
class Target:
    """A name, what to feed it, and the function under test."""

    name: str
    inputs: "st.SearchStrategy[Any]"
    run: Callable[[Any], None]


NAMES = [
    "id",
    "question",
    "answer",
    "alternatives",
    "negatives",
    "metadata",
    "entry.state",
    "entry.valid_from",
    "entry.valid_until",
    "entry.follow_ups",
    "faq_id",
    "label",
    "text",
    "lang",
    "anwser",
    "",
]
ODD = [
    "\0",
    "\ud800",
    "\u2028",
    "\ufeff",
    "NaN",
    "1e999",
    "'",
    '"',
    "\r",
    "\x1a",
    "a" * 1001,
    "9" * 400,
    "-0.0",
    "{",
    "[[",
    "|",
]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(ODD)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
rows = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), values, max_size=6)
rows_like = st.fixed_dictionaries(
    {"answer": st.text(min_size=1, max_size=30)},
    optional={
        "id": st.sampled_from(["a", "b", 1]),
        "question": st.text(max_size=20),
        "alternatives": st.lists(st.text(max_size=9), max_size=3),
        "metadata": st.dictionaries(st.text(min_size=1, max_size=5), scalars, max_size=3),
        "lang": scalars,
        "entry.state": st.sampled_from(["draft", "live", "archived", "", "gone"]),
        "entry.valid_from": st.sampled_from(["2026-01-01", "2026-01-01T00:00", "9999-12-31T23:59:59-14:00", "0001"]),
        "entry.follow_ups": st.lists(st.text(max_size=9), max_size=3),
    },
)


def _mutated(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """The data with some spans replaced."""
    for start, length, new in edits:
        at = start % (len(data) + 1)
        data = data[:at] + new + data[at + length :]
    return data


edits = st.lists(
    st.tuples(
        st.integers(0, 5000),
        st.integers(0, 8),
        st.binary(max_size=6) | st.sampled_from([b"\n", b'"', b"{", b"]", b"\xff", b",", b"\\u0000", b"NaN"]),
    ),
    max_size=4,
)
json_lines = st.lists(rows | rows_like, max_size=5).map(lambda rows: "\n".join(map(json.dumps, rows)).encode())
json_arrays = st.lists(rows | rows_like, max_size=5).map(lambda rows: json.dumps(rows, indent=1).encode())
cells = st.text(max_size=12) | st.sampled_from([*ODD, '"a', 'a""b', '"x\ny"'])
tables = st.tuples(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=6),
    st.lists(st.lists(cells, max_size=7), max_size=5),
    st.sampled_from(",;\t"),
).map(lambda table: "\n".join(table[2].join(row) for row in (table[0], *table[1])).encode(errors="surrogatepass"))
seeds = [path.read_bytes() for path in sorted(Path(__file__).parents[1].joinpath("data", "files").iterdir())]
workbook = next(data for data in seeds if data.startswith(b"PK"))
members = st.sampled_from(["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"])


def _repacked(edits: list[tuple[int, int, bytes]], member: str) -> bytes:
    """The workbook with one of its members mutated."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(stream, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, _mutated(data, edits) if name == member else data)
    return stream.getvalue()


plain_files = st.binary(max_size=200) | json_lines | json_arrays | tables | st.sampled_from(seeds)
files = st.builds(_mutated, plain_files, edits) | st.builds(_repacked, edits, members)


def entries_file(given: tuple[str, bytes]) -> None:
    """Entries that are read, written and read again stay the same."""
    read = parse_entries(given[1], given[0])
    written = "".join(map(entry_line, read.entries)).encode()
    reread = parse_entries(written, "faq.jsonl")
    assert reread.entries == read.entries
    assert knowledge_revision(reread.entries) == knowledge_revision(read.entries)


def queries_file(given: tuple[str, bytes]) -> None:
    """Both readers of the trainer's files."""
    with TemporaryDirectory() as folder:
        path = Path(folder, given[0])
        path.write_bytes(given[1])
        for read in (read_queries, read_labelled):
            with contextlib.suppress(InputError):
                read(path)


def question(body: bytes) -> None:
    """The body of /v1/ask and /v1/ask/batch, up to the filter of the index."""
    for model in (Ask, AskBatch):
        try:
            request = model.model_validate_json(body)
        except ValidationError:
            continue
        fields = fields_of([{"metadata": {"a": "x", "b": 1, "c": True, "lang": ["de"]}}])
        try:
            check(request.where, fields)
        except InputError:
            continue
        condition_of(request.where)


def entry(fields: dict[str, Any]) -> None:
    """An entry from the API, a file or a damaged database."""
    parsed = Entry.model_validate(fields)
    assert Entry.model_validate(parsed.model_dump()) == parsed
    json.dumps(parsed.model_dump(), allow_nan=False).encode()


def entry_body(body: bytes) -> None:
    """The bodies that add and change entries: one that is taken makes an entry, or is refused by its field."""
    known = Entry(id="a", question="q", answer="a", metadata={"lang": "de"})
    for model in (EntryBody, EntryChanges, EntryBatch):
        with contextlib.suppress(ValidationError, RequestValidationError):
            sent = model.model_validate_json(body)
            if isinstance(sent, EntryBody):
                sent.entry()
            if isinstance(sent, EntryChanges):
                assert sent.changed(known).id == known.id


def settings(variables: dict[str, str]) -> None:
    """Settings from the environment, passed on to a child process."""
    before = dict(os.environ)
    try:
        os.environ.update(variables)
        read = Settings()
        os.environ.update(read.environment())
        assert Settings() == read
    finally:
        os.environ.clear()
        os.environ.update(before)


def stored(data: bytes) -> None:
    """Files that the service reads from its own disk, damaged."""
    for model in (IndexRecord, Manifest, Ranking):
        with contextlib.suppress(ValidationError):
            model.model_validate_json(data)
    with TemporaryDirectory() as folder:
        Path(folder, "manifest.json").write_bytes(data)
        Bundle.load(Path(folder))


names = st.sampled_from(
    ["faq.jsonl", "faq.json", "faq.csv", "faq.tsv", "faq.xlsx", "faq.yml", "faq.md", "faq.html", "faq", "FAQ.JSON"]
)
filters = st.dictionaries(
    st.sampled_from(["a", "b", "c", "lang", "x"]),
    values | st.fixed_dictionaries({}, optional={"gte": scalars, "lte": scalars}),
    max_size=3,
)
asks = st.fixed_dictionaries(
    {},
    optional={
        "question": scalars,
        "questions": st.lists(scalars, max_size=3),
        "top_k": scalars,
        "min_confidence": scalars,
        "filters": filters | values,
        "x": scalars,
    },
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "id": scalars,
        "answer": st.text(min_size=1, max_size=9) | scalars,
        "question": st.text(max_size=9),
        "alternatives": st.lists(scalars, max_size=3) | st.lists(st.text(max_size=9), max_size=3),
        "metadata": st.dictionaries(st.text(max_size=5), values, max_size=3),
        "state": st.sampled_from(["draft", "live", "archived", "gone", None]),
        "valid_from": st.text(max_size=12) | st.datetimes(timezones=st.timezones()).map(str),
        "valid_until": st.dates().map(str) | scalars,
        "follow_ups": st.lists(st.text(max_size=9), max_size=3),
    },
)
batches = st.fixed_dictionaries(
    {
        "operations": st.lists(
            st.fixed_dictionaries(
                {"op": st.sampled_from(["create", "replace", "update", "archive", "x"])},
                optional={"id": scalars, "etag": scalars, "entry": bodies, "changes": bodies},
            ),
            max_size=3,
        )
    }
)
variables = st.dictionaries(
    st.sampled_from([f"FAQ_{name.upper()}" for name in Settings.model_fields]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=70)
    | st.sampled_from(["1/second", "a" * 64, "true", "0", "-1", "::1", ",", " ", "1e9"]),
    max_size=4,
)


def redaction(text: str) -> None:
    """A text without personal data stays so: what is redacted is not redacted further."""
    once = redacted(text)
    assert redacted(once) == once


def token(text: str) -> None:
    """A feedback token."""
    Tokens(b"secret").facts(text, 0.0)


private = st.lists(
    st.text(max_size=9)
    | st.sampled_from(["a@b.de", "+49 170 1234567", "DE89370400440532013000", "4111", "sk-", ":", "1"])
).map("".join)
tokens = st.binary(max_size=120).map(base64.b64encode).map(bytes.decode) | st.text(max_size=9)
TARGETS = [
    Target("redaction", private, redaction),
    Target(
        "feedback token", st.binary(max_size=120).map(base64.b64encode).map(bytes.decode) | st.text(max_size=9), token
    ),
    Target("entries file", st.tuples(names, files), entries_file),
    Target("queries and labels", st.tuples(names, files), queries_file),
    Target("question", st.builds(_mutated, st.builds(lambda value: json.dumps(value).encode(), asks), edits), question),
    Target("entry", rows | rows_like, entry),
    Target(
        "entry over HTTP",
        st.builds(_mutated, st.builds(lambda value: json.dumps(value).encode(), bodies | batches), edits),
        entry_body,
    ),
    Target("settings", variables, settings),
    Target(
        "own files",
        st.builds(_mutated, st.builds(lambda value: json.dumps(value).encode(), rows), edits) | st.binary(max_size=50),
        stored,
    ),
]
