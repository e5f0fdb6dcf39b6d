"""What a training file holds, told by its first row, and what is made of it: entries, and pairs where it scores them.

faq       `answer`, and `question` and the rest where there are any: entries as they are
labelled  `text`, `label`: texts of one label mean the same. To train on: one entry a label, its first text in the
          place of the answer, the others as phrasings. To search among: one entry a text
pairs     `a`, `b`, `score`, `subgroup`: one entry for each `b` that something belongs to, its `a`s as phrasings
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
from trainer.recipes import Recipe, Shape

KEYS: dict[Shape, tuple[str, ...]] = {"faq": ("answer",), "labelled": ("text", "label"), "pairs": ("a", "b")}
_SHAPE_FIELDS = Fields(names={key: () for keys in KEYS.values() for key in keys})
log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Source:
    """The entries of a file, ids that merging dropped, and the scored pairs; none unless it is a file of pairs."""

    entries: list[Entry]
    aliases: Mapping[str, str] = field(default_factory=dict)
    pairs: tuple[ScoredPair, ...] = ()


def read_source(path: Path, recipe: Recipe) -> Source:
    """Read what is trained on. Raises FileError with every bad row, InputError where the recipe needs other data."""
    shape = shape_of(path, recipe)
    if shape == "labelled":
        return Source(entries_of_labels(read_labelled(path)))
    if shape == "pairs":
        pairs = read_pairs(path)
        return Source(entries_of_pairs(pairs), pairs=tuple(pairs))
    file = read_entries(path)
    for warning in file.warnings:
        log.warning("%s: %s", file.name, warning)
    if file.merged_rows:
        log.info("%s: %d rows repeat others and were merged", file.name, file.merged_rows)
    return Source(_live(file.entries), file.aliases)


def read_index(path: Path) -> tuple[list[Entry], Mapping[str, str]]:
    """What is searched among, a FAQ or labelled texts, and the ids that merging dropped. Raises like `read_entries`."""
    if _shape(_first_row(path)[1]) == "labelled":
        return entries_of_texts(read_labelled(path)), {}
    file = read_entries(path)
    return _live(file.entries), file.aliases


def _live(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without drafts and archived ones, which no release holds."""
    return [entry for entry in entries if entry.state == "live"]


def shape_of(path: Path, recipe: Recipe) -> Shape:
    """What the file holds. Raises InputError saying what the recipe needs where it is something else."""
    place, row = _first_row(path)
    shape = _shape(row)
    if shape in recipe.reads or (shape is None and "faq" in recipe.reads):
        return shape or "faq"
    needs = " or ".join(" and ".join(f"`{key}`" for key in KEYS[one]) for one in recipe.reads)
    has = ", ".join(f"`{key}`" for key, value in row.items() if value is not None) or "nothing"
    raise InputError(f"{path}: recipe {recipe.name} needs {needs}; {place} has {has}", "data")


def _first_row(path: Path) -> tuple[Place | None, dict[str, object]]:
    """The first row that can be read; (None, nothing) where there is none, which the reader itself reports."""
    try:
        row = next(read_rows(RowFile.open(path, fields=_SHAPE_FIELDS)), None)
    except FileError:
        return None, {}
    return (row.place, row.values) if row else (None, {})


def _shape(row: Mapping[str, object]) -> Shape | None:
    """What a row is of; None where it is nothing that is known."""
    return next((shape for shape, keys in KEYS.items() if all(row.get(key) is not None for key in keys)), None)


def entries_of_labels(labelled: Iterable[Labelled]) -> list[Entry]:
    """One entry a label. Raises InputError for a text that is too long to be a phrasing."""
    texts: dict[str, dict[str, None]] = defaultdict(dict)
    for one in labelled:
        texts[one.label].setdefault(one.text)
    entries = []
    for label, (answer, *phrasings) in texts.items():
        if long := next((one for one in phrasings if len(one) > text.QUESTION_LENGTH), None):
            raise InputError(
                f"A text of label `{label}` has {len(long):,} characters; beside the first of a label's texts, "
                f"which may be longer, at most {text.QUESTION_LENGTH:,} are allowed."
            )
        entries.append(Entry(id=label, answer=answer, **_phrased(phrasings)))
    return entries


def entries_of_texts(labelled: Iterable[Labelled]) -> list[Entry]:
    """One entry a text, found by its label."""
    distinct = dict.fromkeys((one.label, one.text) for one in labelled)
    return [
        Entry(id=f"text-{number:07}", answer=content, metadata={"label": label})
        for number, (label, content) in enumerate(distinct)
    ]


def entries_of_pairs(pairs: Sequence[ScoredPair]) -> list[Entry]:
    """One entry for each `b`, with the `a`s that belong to it and, as negatives, those that do not."""
    right: dict[str, dict[str, None]] = {pair.b: {} for pair in pairs}
    wrong: dict[str, dict[str, None]] = defaultdict(dict)
    for pair in pairs:
        (right if pair.score else wrong)[pair.b].setdefault(pair.a)
    entries = []
    for answer, asked in right.items():
        negatives = tuple(wrong[answer])[: text.LIST_LENGTH]
        entries.append(Entry(answer=answer, negatives=negatives, **_phrased(list(asked))))
    return entries


def _phrased(phrasings: Sequence[str]) -> dict[str, Any]:
    """Phrasings as the fields of an entry, which has room for so many."""
    kept = phrasings[: 1 + text.LIST_LENGTH]
    if len(kept) < len(phrasings):
        log.warning("%d texts belong to “%s”; %d of them are used", len(phrasings), phrasings[0], len(kept))
    return {"question": kept[0], "alternatives": tuple(kept[1:])} if kept else {}
