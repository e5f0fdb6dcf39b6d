"""Reads a training file. The first row tells its format; the result is entries, and scored pairs where it has them.

faq       `answer`, and optionally `question` and the other fields of an entry: entries as they are
labelled  `text`, `label`: texts of one label mean the same. For training: one entry a label, with its first text as the
          answer and the others as phrasings. For an index: one entry a text
pairs     `a`, `b`, `score`, `subgroup`: one entry for each `b`, with the `a`s that belong to it as phrasings
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.errors import FileError, InputError, Place
from app.knowledge.entry import Entry
from app.knowledge.files import read_entries
from app.knowledge.readers.fields import Fields
from app.knowledge.readers.reading import read_rows
from app.knowledge.readers.row_file import RowFile
from app.text import limits as text
from trainer.data.queries import Labelled, ScoredPair, read_labelled, read_pairs
from trainer.recipes import DataFormat, Recipe

KEYS: dict[DataFormat, tuple[str, ...]] = {"faq": ("answer",), "labelled": ("text", "label"), "pairs": ("a", "b")}
_FORMAT_FIELDS = Fields(names={key: () for keys in KEYS.values() for key in keys})
log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Source:
    """The entries of a file, the ids that were merged into others, and the scored pairs of a file of pairs."""

    entries: list[Entry]
    aliases: Mapping[str, str] = field(default_factory=dict)
    pairs: tuple[ScoredPair, ...] = ()


def read_source(path: Path, recipe: Recipe) -> Source:
    """Read training data. Raises FileError with every bad row, InputError if the recipe needs another format."""
    data_format = format_of(path, recipe)
    if data_format == "labelled":
        return Source(entries_of_labels(read_labelled(path)))
    if data_format == "pairs":
        pairs = read_pairs(path)
        return Source(entries_of_pairs(pairs), pairs=tuple(pairs))
    file = read_entries(path)
    for warning in file.warnings:
        log.warning("%s: %s", file.name, warning)
    if file.merged_rows:
        log.info("%s: %d rows repeat others and were merged into them", file.name, file.merged_rows)
    return Source(_live(file.entries), file.aliases)


def read_index(path: Path) -> tuple[list[Entry], Mapping[str, str]]:
    """The entries of a FAQ or of labelled texts, and the ids that were merged. Raises like `read_entries`."""
    if _format(_first_row(path)[1]) == "labelled":
        return entries_of_texts(read_labelled(path)), {}
    file = read_entries(path)
    return _live(file.entries), file.aliases


def _live(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without drafts and archived ones, which no release holds."""
    return [entry for entry in entries if entry.state == "live"]


def format_of(path: Path, recipe: Recipe) -> DataFormat:
    """The format of the file. Raises InputError with the fields that the recipe needs if it needs another format."""
    place, row = _first_row(path)
    data_format = _format(row)
    if data_format in recipe.data_format or (data_format is None and "faq" in recipe.data_format):
        return data_format or "faq"
    needs = " or ".join(" and ".join(f"`{key}`" for key in KEYS[name]) for name in recipe.data_format)
    has = ", ".join(f"`{key}`" for key, value in row.items() if value is not None) or "nothing"
    raise InputError(f"{path}: recipe {recipe.name} needs {needs}; {place} has {has}", "data")


def _first_row(path: Path) -> tuple[Place | None, dict[str, object]]:
    """The first row and its place; (None, {}) if no row can be read, which the reader reports later."""
    try:
        row = next(read_rows(RowFile.open(path, fields=_FORMAT_FIELDS)), None)
    except FileError:
        return None, {}
    return (row.place, row.values) if row else (None, {})


def _format(row: Mapping[str, object]) -> DataFormat | None:
    """The format that a row belongs to; None if it is unknown."""
    return next(
        (data_format for data_format, keys in KEYS.items() if all(row.get(key) is not None for key in keys)), None
    )


def entries_of_labels(labelled: Iterable[Labelled]) -> list[Entry]:
    """One entry for each label. Raises InputError for a text that is too long for a phrasing."""
    texts: dict[str, dict[str, None]] = defaultdict(dict)
    for row in labelled:
        texts[row.label].setdefault(row.text)
    entries = []
    for label, (answer, *phrasings) in texts.items():
        if long := next((phrasing for phrasing in phrasings if len(phrasing) > text.QUESTION_LENGTH), None):
            raise InputError(
                f"A text of label `{label}` has {len(long):,} characters. The most is {text.QUESTION_LENGTH:,}; "
                "only the first text of a label may be longer."
            )
        entries.append(Entry(id=label, answer=answer, **_phrased(phrasings)))
    return entries


def entries_of_texts(labelled: Iterable[Labelled]) -> list[Entry]:
    """One entry for each text, with the label in its metadata."""
    distinct = dict.fromkeys((row.label, row.text) for row in labelled)
    return [
        Entry(id=f"text-{number:07}", answer=content, metadata={"label": label})
        for number, (label, content) in enumerate(distinct)
    ]


def entries_of_pairs(pairs: Sequence[ScoredPair]) -> list[Entry]:
    """One entry for each `b`, with the `a`s that belong to it as phrasings, and the others as negatives."""
    right: dict[str, dict[str, None]] = {pair.b: {} for pair in pairs}
    wrong: dict[str, dict[str, None]] = defaultdict(dict)
    for pair in pairs:
        (right if pair.score else wrong)[pair.b].setdefault(pair.a)
    entries = []
    for answer, phrasings in right.items():
        negatives = tuple(wrong[answer])[: text.LIST_LENGTH]
        entries.append(Entry(answer=answer, negatives=negatives, **_phrased(list(phrasings))))
    return entries


def _phrased(phrasings: Sequence[str]) -> dict[str, Any]:
    """The fields of an entry for the phrasings, cut to the number that an entry can have."""
    kept = phrasings[: 1 + text.LIST_LENGTH]
    if len(kept) < len(phrasings):
        log.warning(
            "%d texts belong to the answer of “%s”. The first %d are used", len(phrasings), phrasings[0], len(kept)
        )
    return {"question": kept[0], "alternatives": tuple(kept[1:])} if kept else {}
