"""FAQ files: reading them into entries, and writing entries back. Knows no database.

One object a line (or a JSON array, or CSV with a header): `question`, `answer`, `id`, `alternatives`, `negatives`;
every other key is metadata, and so are the keys of an object called `metadata`. In CSV, `alternatives` and
`negatives` are split at `|`, and `metadata` is a JSON object.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from app.errors import InputError
from app.knowledge.entry import RESERVED, Entry
from app.knowledge.rows import BadRow, Kind, RowFile, kind_of, parse_json
from app.knowledge.text import kind_of_value

_STRUCTURED = ("alternatives", "negatives", "metadata")
_ENTRY_FIELDS = ("id", "question", "answer", "alternatives", "negatives")
_LONGEST_SLIP = 20

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True)
class Merged:
    """Rows that say the same and became one entry."""

    id: str
    lines: tuple[int, ...]  # of all those rows, in file order
    other_ids: tuple[str, ...] = ()  # ids that were given to some of them and are not kept

    def __str__(self) -> str:
        also = f" (also called {', '.join(f'`{other}`' for other in self.other_ids)})" if self.other_ids else ""
        return f"lines {', '.join(map(str, self.lines))} are one entry, `{self.id}`{also}"


@dataclass(frozen=True)
class EntryFile:
    """What a FAQ file holds: its entries in file order, which rows were merged, and what looks like a slip."""

    name: str
    entries: list[Entry]
    merged: list[Merged]
    warnings: list[str]
    sha256: str

    @property
    def merged_rows(self) -> int:
        """How many rows became part of an earlier entry."""
        return sum(len(merged.lines) - 1 for merged in self.merged)

    @property
    def aliases(self) -> dict[str, str]:
        """From every id that merging dropped to the id of the entry that stands for it."""
        return {other: merged.id for merged in self.merged for other in merged.other_ids}


def read_entries(path: Path) -> EntryFile:
    """Read a FAQ file. Raises FileError with every bad row, InputError when it cannot be read or holds no entries."""
    return _gather(RowFile.open(path))


def parse_entries(data: bytes, name: str, kind: Kind | None = None) -> EntryFile:
    """Read a FAQ from bytes; its name tells the format unless `kind` does. Raises like `read_entries`."""
    return _gather(RowFile(name, data, kind or kind_of(name)))


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


@dataclass
class _Group:
    """Rows of the same content. `given`: the ids that some of them have, each with its first line."""

    entry: Entry
    lines: list[int] = field(default_factory=list)
    given: dict[str, int] = field(default_factory=dict)


class _Slips:
    """Keys that look like a misspelt reserved name, each reported once."""

    def __init__(self) -> None:
        self._meant: dict[str, str | None] = {}
        self._lines: dict[str, list[int]] = {}

    def note(self, key: str, line: int) -> None:
        """Look at one key of one row."""
        if key not in self._meant:
            self._meant[key] = near_miss(key)
        if self._meant[key]:
            self._lines.setdefault(key, []).append(line)

    def warnings(self) -> list[str]:
        """One sentence for each such key."""
        return [
            f"line {lines[0]}: `{key}` is kept as metadata; did you mean `{self._meant[key]}`?"
            + (f" ({len(lines) - 1} more lines have it)" if len(lines) > 1 else "")
            for key, lines in self._lines.items()
        ]


def near_miss(key: str) -> str | None:
    """The reserved name that a key probably stands for, if any. `question_id` is a name of its own, not a slip."""
    plain = key.strip().lower()
    if len(plain) > _LONGEST_SLIP or (plain not in RESERVED and RESERVED.intersection(re.split(r"[\W_]+", plain))):
        return None
    return next(iter(get_close_matches(plain, sorted(RESERVED), n=1, cutoff=0.8)), None)


def _gather(file: RowFile) -> EntryFile:
    slips, groups = _Slips(), dict[str, _Group]()
    for line, row in file.rows("answer"):
        try:
            entry = Entry(**_fields(row, file.kind, line, slips))
        except ValidationError as error:
            for reason, name in _reasons(error):
                file.reject(line, reason, name)
        except BadRow as error:
            file.reject(line, str(error))
        else:
            group = groups.setdefault(entry.content_digest, _Group(entry))
            group.lines.append(line)
            if "id" in entry.model_fields_set:
                group.given.setdefault(entry.id, line)
    _check_ids(file, groups.values())
    file.check()
    if not groups:
        raise InputError(f"{file.name} holds no entries")
    return _entry_file(file, list(groups.values()), slips.warnings())


def _fields(row: dict[str, object], kind: Kind, line: int, slips: _Slips) -> dict[str, Any]:
    present = {key: value for key, value in row.items() if value is not None}
    if kind == "csv":
        present |= {key: _from_cell(key, str(present[key])) for key in _STRUCTURED if key in present}
    fields = {key: present.pop(key) for key in _ENTRY_FIELDS if key in present}
    if type(fields.get("id")) is int:
        fields["id"] = str(fields["id"])
    nested = present.pop("metadata", {})
    if not isinstance(nested, dict):
        raise BadRow(f"`metadata` must be an object, not {kind_of_value(nested)}")
    for key, value in present.items():
        slips.note(key, line)
        if nested.get(key, value) != value:
            raise BadRow(f"`{key}` is given twice, beside `metadata` and in it, with different values")
    return fields | {"metadata": present | nested}


def _from_cell(key: str, cell: str) -> object:
    return parse_json(cell) if key == "metadata" else cell.split("|")


def _reasons(error: ValidationError) -> Iterator[tuple[str, str]]:
    for item in error.errors(include_url=False, include_input=False):
        if item["type"] != "default_factory_not_called":  # the id, for want of a good question and answer
            yield str(item.get("ctx", {}).get("error", item["msg"])), str(item["loc"][0])


def _check_ids(file: RowFile, groups: Iterable[_Group]) -> None:
    lines: dict[str, int] = {}
    for group in groups:
        for name, line in group.given.items():
            first = lines.setdefault(name, line)
            if first != line:
                earlier, later = sorted((first, line))
                file.reject(later, f"the id `{name}` is on line {earlier} too, with other content", "id")


def _entry_file(file: RowFile, groups: list[_Group], warnings: list[str]) -> EntryFile:
    taken = {name for group in groups for name in group.given}
    entries, merged = [], []
    for group in groups:
        entry = group.entry
        name, *others = group.given or [entry.id]
        if not group.given and name in taken:
            name = entry.content_digest[:16]
            warnings.append(f"line {group.lines[0]}: same question and answer as another entry, but not the same rest")
        taken.add(name)
        entries.append(entry if name == entry.id else entry.model_copy(update={"id": name}))
        if len(group.lines) > 1:
            merged.append(Merged(name, tuple(group.lines), tuple(others)))
    return EntryFile(file.name, entries, merged, warnings, file.sha256)
