"""Reads evaluation queries, labelled texts and scored pairs from files."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from app.errors import InputError
from app.knowledge.readers.fields import LABELLED_FIELDS, PAIR_FIELDS, QUERY_FIELDS, Fields
from app.knowledge.readers.reading import read_rows
from app.knowledge.readers.row import BadRow
from app.knowledge.readers.row_file import RowFile
from app.text import limits as text

TARGETS = ("faq_id", "answer", "label")
_PAIR_LENGTHS = {"a": text.QUESTION_LENGTH, "b": text.ANSWER_LENGTH}

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


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and its label; texts with the same label mean the same."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """Two texts that belong together, with a weight, and their subgroup. A score of 0: they do not belong together.

    Texts of different subgroups do not belong together. Within a subgroup, only the pairs decide.
    """

    a: str
    b: str
    score: float = 1.0
    subgroup: str = "0"


def read_queries(path: Path) -> list[Query]:
    """Read an evaluation file. Raises FileError with every bad row, InputError when it holds no queries."""
    return _read(path, "queries", QUERY_FIELDS, _query)


def read_labelled(path: Path) -> list[Labelled]:
    """Read labelled texts. Raises FileError with every bad row, InputError when it holds none."""
    return _read(path, "labelled texts", LABELLED_FIELDS, _labelled)


def read_pairs(path: Path) -> list[ScoredPair]:
    """Read scored pairs. Raises FileError with every bad row, InputError when it holds none."""
    return _read(path, "pairs", PAIR_FIELDS, _pair)


def _read(path: Path, noun: str, fields: Fields, build: Callable[[dict[str, object]], T]) -> list[T]:
    file = RowFile.open(path, fields=fields)
    built = list(_built(file, build))
    file.check()
    if not built:
        raise InputError(f"{path} holds no {noun}")
    return built


def _built(file: RowFile, build: Callable[[dict[str, object]], T]) -> Iterator[T]:
    for row in read_rows(file):
        try:
            yield build(row.values)
        except ValueError as error:
            file.reject(row.place, str(error))


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
        raise BadRow(f"needs `faq_id` (null: no entry answers it), `answer` or `label`; it has {has}")
    tags = {key: value for key, value in row.items() if key != "question" and key not in TARGETS and value is not None}
    return Query(question, **targets, tags=tags)


def _labelled(row: dict[str, object]) -> Labelled:
    label = _name(row, "label")
    if label is None:
        raise BadRow("`label` is empty")
    return Labelled(text.clean_required(row["text"], "text", text.ANSWER_LENGTH), label)


def _pair(row: dict[str, object]) -> ScoredPair:
    score = 1.0 if row.get("score") is None else row["score"]
    if isinstance(score, str):
        score = _number(score)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score < math.inf:
        raise BadRow("`score` must be a number from 0 up; 0 means that the two texts do not belong together")
    a, b = (text.clean_required(row[name], name, limit) for name, limit in _PAIR_LENGTHS.items())
    return ScoredPair(a, b, float(score), _name(row, "subgroup") or "0")


def _number(cell: str) -> float | None:
    """The number that a CSV cell holds."""
    try:
        return float(cell)
    except ValueError:
        return None


def _name(row: dict[str, object], key: str) -> str | None:
    value = row.get(key)
    if value is None:
        return None
    return text.clean_name(str(value) if type(value) is int else value, key)
