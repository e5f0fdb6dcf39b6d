"""Every error that Faqtual raises on purpose, as one tree. Knows no HTTP: `http.problem` maps these to statuses.

FaqError
├── InputError            what the caller sent is wrong; the message names the field and what to do
│   └── FileError         a file with bad rows: every one of them, with line and reason
├── SettingsError         a setting is missing or contradicts another
├── BundleError           a bundle is missing, damaged, or not one of ours
├── NotFound              no release, job or entry of that name
├── Conflict              what was asked cannot be done in the present state
│   ├── Busy              another writer is at work; names it
│   ├── Stale             the entry was changed in the meantime; holds it
│   └── BatchRefused      operations of a batch that cannot be carried out: every one of them, with the reason
├── NotReady              there is no active release yet
├── StoreError            the entries' database cannot be read or written
├── IndexUnavailable      Qdrant does not answer, or the index on disk cannot be read
├── Overloaded            the queue is full
└── DeadlineExceeded      the answer would have come too late
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal


class FaqError(Exception):
    """Base of all. `code` is stable and documented; `str(error)` is one sentence for a person."""

    code = "error"
    retry_after_s: float | None = None  # where it is known when to try again


class InputError(FaqError):
    """What the caller sent is wrong; `field` names the part that is, where there is one."""

    code = "invalid_input"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a row stands in a file: a line as an editor shows it, a row of a sheet, or an element of a page."""

    number: int  # 1-based
    unit: Literal["line", "row", "element"] = "line"
    sheet: str | None = None

    @property
    def line(self) -> int | None:
        """The line, where the file has lines."""
        return self.number if self.unit == "line" else None

    def fields(self) -> dict[str, int | str]:
        """The place for programs: `line`, or `sheet` and `row`, or `element`."""
        sheet: dict[str, int | str] = {} if self.sheet is None else {"sheet": self.sheet}
        return sheet | {self.unit: self.number}

    def __str__(self) -> str:
        within = "" if self.sheet is None else f" of sheet `{self.sheet}`"
        return f"{self.unit} {self.number}{within}"


PLACES_SHOWN = 10  # places of one mistake that a message lists


def listed(places: Sequence[Place]) -> str:
    """The places in words, at most PLACES_SHOWN of them: `line 3`, `lines 3, 4`, `rows 2, 5 of sheet `FAQ``."""
    if len(places) == 1:
        return str(places[0])
    first = places[0]
    numbers = ", ".join(str(place.number) for place in islice(places, PLACES_SHOWN))
    more = ", …" if len(places) > PLACES_SHOWN else ""
    within = "" if first.sheet is None else f" of sheet `{first.sheet}`"
    return f"{first.unit}s {numbers}{more}{within}"


@dataclass(frozen=True)
class RowError:
    """A bad row of a file: where it is and why it was refused. `place` is None for what concerns the whole file."""

    file: str
    place: Place | None
    reason: str
    field: str | None = None

    @property
    def line(self) -> int | None:
        """The line, 1-based, where the file has lines."""
        return self.place.line if self.place else None

    def __str__(self) -> str:
        if self.place is None:
            return f"{self.file}: {self.reason}"
        where = str(self.place.line) if self.place.line else f" {self.place}"
        return f"{self.file}:{where}: {self.reason}"


SHOWN = 20  # different mistakes in a bad file that its message lists; `rows` holds every bad row


class FileError(InputError):
    """A file that cannot be taken as it is. `rows` holds every bad row, in file order.

    The message lists each different mistake once, with the first places where it was made.
    """

    code = "invalid_file"

    def __init__(self, rows: list[RowError], report: Mapping[str, Any] | None = None) -> None:
        """`report`: of a dry run, what would become of the other rows."""
        self.rows = rows
        self.report = report
        mistakes = _by_reason(rows)
        noun = "row" if len(rows) == 1 else "rows"
        lines = [f"{len(rows):,} bad {noun}; nothing was changed.", *map(_mistake, islice(mistakes, SHOWN))]
        if len(mistakes) > SHOWN:
            lines.append(f"and {len(mistakes) - SHOWN:,} more")
        super().__init__("\n".join(lines))


def _by_reason(rows: Iterable[RowError]) -> list[list[RowError]]:
    """Rows with the same mistake together, in the order of their first."""
    mistakes: dict[tuple[str, str], list[RowError]] = {}
    for row in rows:
        mistakes.setdefault((row.file, row.reason), []).append(row)
    return list(mistakes.values())


def _mistake(rows: Sequence[RowError]) -> str:
    """One mistake as a line of a message."""
    others = [row.place for row in rows[1:] if row.place]
    return f"{rows[0]} (also {listed(others)}: {len(rows):,} in all)" if others else str(rows[0])


class SettingsError(FaqError):
    """A setting is missing or contradicts another; the message says what to set."""

    code = "invalid_settings"


class BundleError(FaqError):
    """The directory is no bundle that this version can serve: absent, damaged, or foreign."""

    code = "invalid_bundle"


class NotFound(FaqError):
    """Nothing of that name exists."""

    code = "not_found"


class Conflict(FaqError):
    """The request cannot be carried out in the present state."""

    code = "conflict"


class Busy(Conflict):
    """Another writer is at work. `job_id` names it where it is known."""

    code = "busy"

    def __init__(self, message: str, job_id: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


class Stale(Conflict):
    """The entry was changed since the caller read it. `current`: the entry as it is now, in JSON values."""

    code = "stale"

    def __init__(self, message: str, current: dict[str, Any]) -> None:
        super().__init__(message)
        self.current = current


class BatchRefused(Conflict):
    """A batch of which some operations cannot be carried out. `operations`: each of these, in JSON values."""

    code = "batch_refused"

    def __init__(self, operations: list[dict[str, Any]]) -> None:
        count = len(operations)
        noun = "operation" if count == 1 else "operations"
        super().__init__(f"{count:,} {noun} of the batch cannot be carried out; nothing was changed.")
        self.operations = operations


class NotReady(FaqError):
    """There is nothing to answer from yet."""

    code = "not_ready"


class StoreError(FaqError):
    """The database of the entries cannot be read or written: locked, full, read-only, or from a newer version.

    `temporary`: it is locked or does not answer, which passes without anybody's doing.
    """

    code = "store_unavailable"

    def __init__(self, message: str, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


class IndexUnavailable(FaqError):
    """The index cannot be reached or read."""

    code = "index_unavailable"


class Overloaded(FaqError):
    """More work is waiting than the service accepts; try again shortly."""

    code = "overloaded"


class DeadlineExceeded(FaqError):
    """The time the caller allowed has passed."""

    code = "deadline_exceeded"
