"""Strategies for inputs that are nearly right: files, bodies of requests, settings and tokens."""

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from app.settings import Settings

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


def mutated(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
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


def repacked(edits: list[tuple[int, int, bytes]], member: str) -> bytes:
    """The workbook with one of its members mutated."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(stream, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, mutated(data, edits) if name == member else data)
    return stream.getvalue()


plain_files = st.binary(max_size=200) | json_lines | json_arrays | tables | st.sampled_from(seeds)
files = st.builds(mutated, plain_files, edits) | st.builds(repacked, edits, members)
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
private = st.lists(
    st.text(max_size=9)
    | st.sampled_from(["a@b.de", "+49 170 1234567", "DE89370400440532013000", "4111", "sk-", ":", "1"])
).map("".join)
tokens = st.binary(max_size=120).map(base64.b64encode).map(bytes.decode) | st.text(max_size=9)


def damaged_json(values: "st.SearchStrategy[Any]") -> "st.SearchStrategy[bytes]":
    """The values as JSON, with some spans replaced."""
    return st.builds(mutated, values.map(json.dumps).map(str.encode), edits)
