"""FAQ files: reading them into entries, and writing entries back. Knows no database.

Every format gives rows with the fields `question`, `answer`, `id`, `alternatives`, `negatives`; every other key is
metadata, and so are the keys of an object called `metadata`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from app.errors import InputError, Place, RowError, listed
from app.knowledge.checks import check_entries
from app.knowledge.entry import Entry
from app.knowledge.gathering import Gathered, Group, gather
from app.knowledge.readers.fields import ENTRY_FIELDS
from app.knowledge.readers.options import ReadOptions
from app.knowledge.readers.row_file import RowFile
from app.knowledge.readers.warning import ReadWarning

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True)
class Merged:
    """Rows that say the same and became one entry."""

    id: str
    places: tuple[Place, ...]  # of all those rows, in file order
    other_ids: tuple[str, ...] = ()  # ids that were given to some of them and are not kept

    def __str__(self) -> str:
        also = f" (also called {', '.join(f'`{other}`' for other in self.other_ids)})" if self.other_ids else ""
        return f"{listed(self.places)} are one entry, `{self.id}`{also}"


@dataclass(frozen=True)
class EntryFile:
    """What a FAQ file holds: its entries in file order, how it was read, and what looks like a slip.

    `mapping`: the file's columns or keys that were read as fields of ours. `guessed`: the encoding is a guess.
    `places`: where each entry stands, by id. `refused`: bad rows, of a file that is read in part.
    """

    name: str
    format: str
    encoding: str
    guessed: bool
    mapping: dict[str, str]
    entries: list[Entry]
    merged: list[Merged]
    warnings: list[ReadWarning]
    sha256: str
    places: Mapping[str, Place]
    refused: list[RowError] = field(default_factory=list)

    @property
    def merged_rows(self) -> int:
        """How many rows became part of an earlier entry."""
        return sum(len(merged.places) - 1 for merged in self.merged)

    @property
    def aliases(self) -> dict[str, str]:
        """From every id that merging dropped to the id of the entry that stands for it."""
        return {other: merged.id for merged in self.merged for other in merged.other_ids}


def read_entries(
    path: Path, options: ReadOptions | None = None, partial: bool = False, name: str | None = None
) -> EntryFile:
    """Read a FAQ file. Raises FileError with every bad row, InputError when it cannot be read or holds no entries.

    `partial`: bad rows are in `refused` instead, and FileError is raised only where no row is good. `name`: what the
    sender calls the file, where that is not its name on disk.
    """
    file = RowFile.open(path, options, ENTRY_FIELDS)
    file.name = name or file.name
    return _entry_file(file, partial)


def parse_entries(data: bytes, name: str, options: ReadOptions | None = None, partial: bool = False) -> EntryFile:
    """Read a FAQ from bytes. Raises like `read_entries`."""
    return _entry_file(RowFile(name, data, options or ReadOptions(), ENTRY_FIELDS), partial)


def write_entries(entries: Iterable[Entry], target: Path | IO[str]) -> int:
    """Write JSON lines that `read_entries` reads back as the same entries. Returns how many were written."""
    if isinstance(target, Path):
        with target.open("w", encoding="utf-8", newline="\n") as stream:
            return write_entries(entries, stream)
    count = 0
    for entry in entries:
        target.write(entry_line(entry))
        count += 1
    return count


def entry_line(entry: Entry) -> str:
    """One entry as a line of JSON, metadata flat beside the rest, its line end included."""
    row = {
        "id": entry.id,
        "question": entry.question,
        "alternatives": entry.alternatives,
        "negatives": entry.negatives,
        "answer": entry.answer,
    }
    return _encode({key: value for key, value in row.items() if value} | entry.metadata) + "\n"


def _entry_file(file: RowFile, partial: bool) -> EntryFile:
    groups = gather(file)
    if not partial or not groups:
        file.check()
    if not groups:
        raise InputError(f"{file.name} holds no entries")
    gathered = _named(file, groups)
    check_entries(((entry, group.places[0]) for entry, group in gathered), file)
    return EntryFile(
        name=file.name,
        format=file.format,
        encoding=file.encoding,
        guessed=file.guessed,
        mapping=file.mapping,
        entries=[entry for entry, _ in gathered],
        merged=[
            Merged(entry.id, group.places, tuple(name for name, _ in group.given if name != entry.id))
            for entry, group in gathered
            if len(group.places) > 1
        ],
        warnings=file.warnings.listed(),
        sha256=file.sha256,
        places={entry.id: group.places[0] for entry, group in gathered},
        refused=sorted(file.errors, key=lambda row: row.place.number if row.place else 0),
    )


def _named(file: RowFile, groups: Sequence[Group]) -> list[Gathered]:
    """The entry of each group under its final name: the first id given, else the content's."""
    taken = {name for group in groups for name, _ in group.given}
    gathered = []
    for group in groups:
        entry = group.entry
        name = group.given[0][0] if group.given else entry.id
        if not group.given and name in taken:
            name = entry.content_digest[:16]
            file.warn("same_text", "same question and answer as another entry, but not the same rest", group.places[0])
        taken.add(name)
        gathered.append((entry if name == entry.id else entry.model_copy(update={"id": name}), group))
    return gathered
