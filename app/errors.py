"""Every error that Faqtual raises on purpose, as one tree. Knows no HTTP: `api.problem` maps these to statuses.

FaqError
├── InputError            what the caller sent is wrong; the message names the field and what to do
│   └── FileError         a file with bad rows: every one of them, with line and reason
├── SettingsError         a setting is missing or contradicts another
├── BundleError           a bundle is missing, damaged, or not one of ours
├── NotFound              no release, job or entry of that name
├── Conflict              what was asked cannot be done in the present state
│   └── Busy              another writer is at work; names it
├── NotReady              there is no active release yet
├── StoreError            the entries' database cannot be read or written
├── IndexUnavailable      Qdrant does not answer, or the index on disk cannot be read
├── Overloaded            the queue is full
└── DeadlineExceeded      the answer would have come too late
"""

from dataclasses import dataclass


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


@dataclass(frozen=True)
class RowError:
    """One bad row of a file: where it is and why it was refused."""

    file: str
    line: int  # 1-based, of the file as an editor shows it
    reason: str
    field: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


SHOWN = 20  # rows of a bad file that its message lists; `rows` holds them all


class FileError(InputError):
    """A file that cannot be taken as it is. `rows` holds every bad row, in file order."""

    code = "invalid_file"

    def __init__(self, rows: list[RowError]) -> None:
        self.rows = rows
        noun = "row" if len(rows) == 1 else "rows"
        lines = [f"{len(rows):,} bad {noun}; nothing was changed.", *map(str, rows[:SHOWN])]
        if len(rows) > SHOWN:
            lines.append(f"and {len(rows) - SHOWN:,} more")
        super().__init__("\n".join(lines))


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
