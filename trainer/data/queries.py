"""Reads labelled texts and scored pairs from files."""

import math
from dataclasses import dataclass
from pathlib import Path

from app.knowledge.queries import name_of, read_all
from app.knowledge.readers.fields import LABELLED_FIELDS, PAIR_FIELDS
from app.knowledge.readers.row import BadRow
from app.text import limits as text

_PAIR_LENGTHS = {"a": text.QUESTION_LENGTH, "b": text.ANSWER_LENGTH}


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


def read_labelled(path: Path) -> list[Labelled]:
    """Read labelled texts. Raises FileError with every bad row, InputError when it holds none."""
    return read_all(path, "labelled texts", LABELLED_FIELDS, _labelled)


def read_pairs(path: Path) -> list[ScoredPair]:
    """Read scored pairs. Raises FileError with every bad row, InputError when it holds none."""
    return read_all(path, "pairs", PAIR_FIELDS, _pair)


def _labelled(row: dict[str, object]) -> Labelled:
    label = name_of(row, "label")
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
    return ScoredPair(a, b, float(score), name_of(row, "subgroup") or "0")


def _number(cell: str) -> float | None:
    """The number that a CSV cell holds."""
    try:
        return float(cell)
    except ValueError:
        return None
