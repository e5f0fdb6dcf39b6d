"""Labelled questions from evaluation files: each with the entry that answers it, or with none. Knows no database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from app.errors import InputError, Place
from app.knowledge.readers.fields import QUERY_FIELDS, Fields
from app.knowledge.readers.reading import read_rows
from app.knowledge.readers.row import BadRow
from app.knowledge.readers.row_file import RowFile
from app.text import limits as text

TARGETS = ("faq_id", "answer", "label")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """A question and its answer, named by an entry's id, by the answer's text, or by a label."""

    question: str
    faq_id: str | None = None
    answer: str | None = None
    label: str | None = None
    tags: dict[str, object] = field(default_factory=dict)

    @property
    def unanswerable(self) -> bool:
        """Whether no entry of the FAQ answers the question (`"faq_id": null` in the file)."""
        return self.faq_id is None and self.answer is None and self.label is None


def read_queries(path: Path) -> list[Query]:
    """Read an evaluation file. Raises FileError with every bad row, InputError when it holds no queries."""
    return read_all(path, "queries", QUERY_FIELDS, query_of)


def read_all(path: Path, noun: str, fields: Fields, build: Callable[[dict[str, object]], T]) -> list[T]:
    """What `build` makes of each row; it raises ValueError for a bad one. `noun`: names the rows in errors.

    Raises FileError with every bad row, InputError when there is no row.
    """
    file = RowFile.open(path, fields=fields)
    built = [item for _, item in built_rows(file, build)]
    file.check()
    if not built:
        raise InputError(f"{path} holds no {noun}")
    return built


def built_rows(file: RowFile, build: Callable[[dict[str, object]], T]) -> Iterator[tuple[Place, T]]:
    """What `build` makes of each row, with its place; rows for which it raises ValueError are noted in the file."""
    for row in read_rows(file):
        try:
            yield row.place, build(row.values)
        except ValueError as error:
            file.reject(row.place, str(error))


def query_of(row: dict[str, object]) -> Query:
    """The query of a row. Raises ValueError naming the field that is wrong."""
    question = text.clean_required(row["question"], "question", text.QUESTION_LENGTH)
    answer = row.get("answer")
    targets = {
        "faq_id": name_of(row, "faq_id"),
        "answer": None if answer is None else text.clean_required(answer, "answer", text.ANSWER_LENGTH),
        "label": name_of(row, "label"),
    }
    if "faq_id" not in row and not any(targets.values()):
        has = ", ".join(f"`{key}`" for key in row)
        raise BadRow(f"needs `faq_id` (null: no entry answers it), `answer` or `label`; it has {has}")
    tags = {key: value for key, value in row.items() if key != "question" and key not in TARGETS and value is not None}
    return Query(question, **targets, tags=tags)


def name_of(row: dict[str, object], key: str) -> str | None:
    """The id or label under `key`, None where there is none. Raises ValueError."""
    value = row.get(key)
    if value is None:
        return None
    return text.clean_name(str(value) if type(value) is int else value, key)
