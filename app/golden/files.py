"""Files of golden questions: JSON lines, CSV and the trainer's evaluation files. Knows no HTTP.

A row has `question` and `faq_id` (null or an empty cell: no entry answers it), or in place of `faq_id` the `answer` or
the `label` of the entry, as evaluation files do; `source` and `note` may follow. Other fields are ignored.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from app.errors import InputError, Place
from app.golden.questions import NOTE_LENGTH, SOURCE_LENGTH, Golden, GoldenStore, NewQuestion
from app.knowledge.entry import Entry
from app.knowledge.formulas import shielded
from app.knowledge.queries import Query, built_rows, query_of
from app.knowledge.readers.fields import QUERY_FIELDS, Fields
from app.knowledge.readers.row_file import RowFile
from app.text.limits import clean
from app.text.markup import plain_text

GoldenFormat = Literal["jsonl", "csv"]
FORMATS: tuple[GoldenFormat, ...] = get_args(GoldenFormat)
MEDIA_TYPES: dict[GoldenFormat, str] = {"jsonl": "application/jsonl", "csv": "text/csv"}
FIELDS = Fields(
    names={**QUERY_FIELDS.names, "source": (), "note": ()},
    required=QUERY_FIELDS.required,
    texts=QUERY_FIELDS.texts | {"source", "note"},
)
COLUMNS = ("question", "faq_id", "source", "note")
IMPORTED = "import"  # the source of rows that name none


@dataclass(frozen=True)
class _Labelled:
    """One row: the query, and where the file says it comes from."""

    query: Query
    source: str
    note: str


def read(file: RowFile, golden: GoldenStore, entries: Callable[[], Iterable[Entry]]) -> list[NewQuestion]:
    """The golden questions of a file with the fields FIELDS, each with its entry in the store.

    `entries` gives those of the store; it is called where a row names its entry by answer or label. Raises FileError
    with every row that cannot be read or names no such entry, InputError for a file without rows.
    """
    rows = list(built_rows(file, _labelled))
    ids = golden.stored_ids(sorted({row.query.faq_id for _, row in rows if row.query.faq_id}))
    find = _Finder(ids, entries)
    places: dict[str, Place] = {}
    questions: dict[str, NewQuestion] = {}
    for place, row in rows:
        try:
            question = NewQuestion(row.query.question, find(row.query), row.source, row.note)
        except ValueError as error:
            file.reject(place, str(error), "faq_id")
            continue
        same = questions.setdefault(question.question, question)
        if same.faq_id != question.faq_id:
            file.reject(place, f"{places[question.question]} has the same question with another entry", "faq_id")
        places.setdefault(question.question, place)
    file.check()
    if not questions:
        raise InputError("The file holds no golden questions.")
    return list(questions.values())


def export(questions: Iterable[Golden], kind: GoldenFormat) -> str:
    """The questions as a file that `read` and the trainer's `--queries` read back."""
    rows = [{"question": q.question, "faq_id": q.faq_id, "source": q.source, "note": q.note} for q in questions]
    if kind == "jsonl":
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    text = io.StringIO(newline="")
    text.write("\ufeff")  # without it Excel guesses another encoding
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    writer.writerows([shielded(row[name] or "") for name in COLUMNS] for row in rows)
    return text.getvalue()


def golden_format(name: str | None) -> GoldenFormat:
    """The format that a file's name promises; JSON lines without a name. Raises InputError naming the suffixes."""
    suffix = "jsonl" if name is None else Path(name).suffix.lower().removeprefix(".")
    for kind in FORMATS:
        if suffix == kind:
            return kind
    raise InputError(f"{name}: a name that ends in .jsonl or .csv says the format; or give --format.", "format")


def _labelled(row: dict[str, object]) -> _Labelled:
    query = query_of(row)
    source, note = (row.get(name) or "" for name in ("source", "note"))
    return _Labelled(query, clean(source, "source", SOURCE_LENGTH) or IMPORTED, clean(note, "note", NOTE_LENGTH))


class _Finder:
    """Finds the one entry that a query names: by id, else by its answer, else by its label."""

    def __init__(self, ids: set[str], entries: Callable[[], Iterable[Entry]]) -> None:
        """`ids`: those of the ids in the file that an entry has."""
        self._ids = ids
        self._read = entries

    def __call__(self, query: Query) -> str | None:
        """The id of the entry; None for a query that nothing answers. Raises ValueError where there is no such entry,
        or several entries have the label."""
        if query.unanswerable:
            return None
        if query.faq_id is not None:
            if query.faq_id not in self._ids:
                raise ValueError(f"there is no entry `{query.faq_id}`")
            return query.faq_id
        if query.answer is not None:
            return self._by_answer(query.answer)
        return self._by_label(query.label or "")

    @cached_property
    def _entries(self) -> list[Entry]:
        return list(self._read())

    @cached_property
    def _answers(self) -> Mapping[str, list[str]]:
        return _grouped((entry.plain_answer, entry.id) for entry in self._entries)

    @cached_property
    def _labels(self) -> Mapping[str, list[str]]:
        return _grouped((str(entry.metadata.get("label", entry.id)), entry.id) for entry in self._entries)

    def _by_answer(self, answer: str) -> str:
        ids = self._answers.get(plain_text(answer)) or self._answers.get(answer)
        if not ids:
            raise ValueError("no entry has this answer")
        return ids[0]  # entries with the same answer are all right

    def _by_label(self, label: str) -> str:
        ids = self._labels.get(label, [])
        if len(ids) != 1:
            raise ValueError(f"{len(ids) or 'no'} entries have the label `{label}`; name the entry by `faq_id`")
        return ids[0]


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
