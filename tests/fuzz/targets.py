"""The parsers that the fuzzing tests and `python -m benchmarks.fuzz` run, each with a strategy for its inputs.

A target may raise one of `REFUSALS` with a message; any other error is a defect.
"""

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi.exceptions import RequestValidationError
from hypothesis import strategies as st
from pydantic import ValidationError

from app.api.batch_schemas import EntryBatch
from app.api.entry_schemas import EntryBody, EntryChanges
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
from tests.fuzz.inputs import (
    asks,
    batches,
    bodies,
    damaged_json,
    files,
    names,
    private,
    rows,
    rows_like,
    tokens,
    variables,
)
from trainer.data.queries import read_labelled

REFUSALS = (FaqError, ValidationError)


@dataclass(frozen=True)
class Target:
    """A name, what to feed it, and the function under test."""

    name: str
    inputs: "st.SearchStrategy[Any]"
    run: Callable[[Any], None]


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


def redaction(text: str) -> None:
    """A text without personal data stays so: what is redacted is not redacted further."""
    once = redacted(text)
    assert redacted(once) == once


def token(text: str) -> None:
    """A feedback token."""
    Tokens(b"secret").facts(text, 0.0)


TARGETS = [
    Target("redaction", private, redaction),
    Target("feedback token", tokens, token),
    Target("entries file", st.tuples(names, files), entries_file),
    Target("queries and labels", st.tuples(names, files), queries_file),
    Target("question", damaged_json(asks), question),
    Target("entry", rows | rows_like, entry),
    Target("entry over HTTP", damaged_json(bodies | batches), entry_body),
    Target("settings", variables, settings),
    Target("own files", damaged_json(rows) | st.binary(max_size=50), stored),
]
