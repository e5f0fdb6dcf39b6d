"""The errors that Faqtual raises, as one tree. `app.http.problem` maps them to HTTP statuses.

FaqError
├── InputError            the input is wrong; the message names the field and what to do
│   └── FileError         a file has bad rows; lists each with its line and the reason
├── SettingsError         a setting is missing or contradicts another
├── BundleError           a bundle is missing, damaged or incompatible
├── NotFound              there is no release, job or entry of that name
├── Conflict              the request is not possible in the current state
│   ├── Busy              another process is writing
│   ├── Stale             the entry was changed since it was read; holds it
│   ├── Blocked           a release breaks golden questions; names it and them
│   └── BatchRefused      operations of a batch are not possible; lists each with the reason
├── NotReady              there is no active release yet
├── StoreError            the database of the entries cannot be read or written
├── IndexUnavailable      Qdrant does not answer, or the index on disk cannot be read
├── Overloaded            the queue is full
└── DeadlineExceeded      the deadline passed before the answer was ready
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal


class FaqError(Exception):
    """Base class. `code` is stable and documented; `str(error)` is a message for the user."""

    code = "error"
    retry_after_s: float | None = None  # seconds after which to try again, if known


class InputError(FaqError):
    """The input is wrong; `field` is the name of the wrong part, if there is one."""

    code = "invalid_input"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The place of a row in a file: a line, a row of a sheet, or an element of a page."""

    number: int  # 1-based
    unit: Literal["line", "row", "element"] = "line"
    sheet: str | None = None

    @property
    def line(self) -> int | None:
        """The line number; None in a file without lines."""
        return self.number if self.unit == "line" else None

    def fields(self) -> dict[str, int | str]:
        """The place as a dictionary: `line`, or `sheet` and `row`, or `element`."""
        sheet: dict[str, int | str] = {} if self.sheet is None else {"sheet": self.sheet}
        return sheet | {self.unit: self.number}

    def __str__(self) -> str:
        within = "" if self.sheet is None else f" of sheet `{self.sheet}`"
        return f"{self.unit} {self.number}{within}"


PLACES_SHOWN = 10  # how many places of a mistake a message lists


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
    """A bad row of a file, with its place and the reason. `place` is None if the reason concerns the whole file."""

    file: str
    place: Place | None
    reason: str
    field: str | None = None

    @property
    def line(self) -> int | None:
        """The line number, 1-based; None in a file without lines."""
        return self.place.line if self.place else None

    def __str__(self) -> str:
        if self.place is None:
            return f"{self.file}: {self.reason}"
        where = str(self.place.line) if self.place.line else f" {self.place}"
        return f"{self.file}:{where}: {self.reason}"


SHOWN = 20  # how many different mistakes the message lists; `rows` holds every bad row


class FileError(InputError):
    """A file with bad rows. `rows` holds all of them, in file order.

    The message lists each different mistake once, with the first places where it occurs.
    """

    code = "invalid_file"

    def __init__(self, rows: list[RowError], report: Mapping[str, Any] | None = None) -> None:
        """`report`: for a dry run, what the import would do with the valid rows."""
        self.rows = rows
        self.report = report
        mistakes = _by_reason(rows)
        noun = "row" if len(rows) == 1 else "rows"
        lines = [f"{len(rows):,} bad {noun}; nothing was changed.", *map(_mistake, islice(mistakes, SHOWN))]
        if len(mistakes) > SHOWN:
            lines.append(f"and {len(mistakes) - SHOWN:,} more")
        super().__init__("\n".join(lines))


def _by_reason(rows: Iterable[RowError]) -> list[list[RowError]]:
    """The rows grouped by their mistake, in the order of each group's first row."""
    mistakes: dict[tuple[str, str], list[RowError]] = {}
    for row in rows:
        mistakes.setdefault((row.file, row.reason), []).append(row)
    return list(mistakes.values())


def _mistake(rows: Sequence[RowError]) -> str:
    """The line of the message about one mistake."""
    others = [row.place for row in rows[1:] if row.place]
    return f"{rows[0]} (also {listed(others)}: {len(rows):,} in all)" if others else str(rows[0])


class SettingsError(FaqError):
    """A setting is missing or contradicts another; the message says what to set."""

    code = "invalid_settings"


class BundleError(FaqError):
    """The directory is not a bundle that this version can serve: it is missing, damaged or incompatible."""

    code = "invalid_bundle"


class NotFound(FaqError):
    """There is no release, job or entry of that name."""

    code = "not_found"


class Conflict(FaqError):
    """The request is not possible in the current state."""

    code = "conflict"


class Busy(Conflict):
    """Another process is writing. `job_id` is its job, if known."""

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


class Blocked(Conflict):
    """A release answers golden questions wrong that the live one answers right. `release`: its name."""

    code = "blocked"

    def __init__(self, message: str, release: str) -> None:
        super().__init__(message)
        self.release = release


class BatchRefused(Conflict):
    """A batch of which some operations cannot be carried out. `operations`: each of these, in JSON values."""

    code = "batch_refused"

    def __init__(self, operations: list[dict[str, Any]]) -> None:
        count = len(operations)
        noun = "operation" if count == 1 else "operations"
        super().__init__(f"{count:,} {noun} of the batch cannot be carried out; nothing was changed.")
        self.operations = operations


class NotReady(FaqError):
    """There is no active release yet."""

    code = "not_ready"


class StoreError(FaqError):
    """The database of the entries cannot be read or written: it is locked, full, read-only or of a newer version.

    `temporary`: it is locked or does not answer, so a later attempt may succeed.
    """

    code = "store_unavailable"

    def __init__(self, message: str, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


class IndexUnavailable(FaqError):
    """Qdrant does not answer, or the index on disk cannot be read."""

    code = "index_unavailable"


class Overloaded(FaqError):
    """The queue is full; try again shortly."""

    code = "overloaded"


class DeadlineExceeded(FaqError):
    """The deadline of the request has passed."""

    code = "deadline_exceeded"
