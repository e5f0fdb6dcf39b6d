"""Evaluation queries and labelled texts: what the trainer and the measurements read beside FAQ files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from app.errors import InputError
from app.knowledge import text
from app.knowledge.rows import BadRow, RowFile

TARGETS = ("faq_id", "answer", "label")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """A question and what answers it, named by an entry's id, by the answer's text, or by a label."""

    question: str
    faq_id: str | None = None
    answer: str | None = None
    label: str | None = None
    tags: dict[str, object] = field(default_factory=dict)

    @property
    def unanswerable(self) -> bool:
        """True when nothing in the FAQ answers the question (`"faq_id": null` in the file)."""
        return self.faq_id is None and self.answer is None and self.label is None


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and its label; texts with the same label mean the same."""

    text: str
    label: str


def read_queries(path: Path) -> list[Query]:
    """Read an evaluation file. Raises FileError with every bad row, InputError when it holds no queries."""
    return _read(path, "queries", ("question",), _query)


def read_labelled(path: Path) -> list[Labelled]:
    """Read labelled texts. Raises FileError with every bad row, InputError when it holds none."""
    return _read(path, "labelled texts", ("text", "label"), _labelled)


def _read(path: Path, noun: str, required: tuple[str, ...], build: Callable[[dict[str, object]], T]) -> list[T]:
    file = RowFile.open(path)
    found = list(_built(file, required, build))
    file.check()
    if not found:
        raise InputError(f"{path} holds no {noun}")
    return found


def _built(file: RowFile, required: tuple[str, ...], build: Callable[[dict[str, object]], T]) -> Iterator[T]:
    for line, row in file.rows(*required):
        try:
            yield build(row)
        except ValueError as error:
            file.reject(line, str(error))


def _query(row: dict[str, object]) -> Query:
    question = text.clean_required(row["question"], "question", text.QUESTION_LENGTH)
    answer = row.get("answer")
    targets = {
        "faq_id": _name(row, "faq_id"),
        "answer": None if answer is None else text.clean_required(answer, "answer", text.ANSWER_LENGTH),
        "label": _name(row, "label"),
    }
    if "faq_id" not in row and not any(targets.values()):
        has = ", ".join(f"`{key}`" for key in row)
        raise BadRow(f"needs `faq_id` (null: nothing answers it), `answer` or `label`; it has {has}")
    tags = {key: value for key, value in row.items() if key != "question" and key not in TARGETS and value is not None}
    return Query(question, **targets, tags=tags)


def _labelled(row: dict[str, object]) -> Labelled:
    label = _name(row, "label")
    if label is None:
        raise BadRow("`label` is empty")
    return Labelled(text.clean_required(row["text"], "text", text.ANSWER_LENGTH), label)


def _name(row: dict[str, object], key: str) -> str | None:
    value = row.get(key)
    if value is None:
        return None
    return text.clean_name(str(value) if type(value) is int else value, key)
