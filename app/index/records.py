"""What a release of the embedded index says of itself: its record, and the calibration beside it.

record.json        the format of the files, and the fields of `IndexRecord`
calibration.json   see `ranking.calibration`
"""

import json
from pathlib import Path
from typing import cast

from app import durable
from app.errors import IndexUnavailable, NotFound
from app.index.protocol import Calibration, IndexRecord

RECORD, CALIBRATION = "record.json", "calibration.json"
FORMAT = 1  # of all files of a release; raise it when a file of before could no longer be read


def write_record(directory: Path, record: IndexRecord) -> None:
    """Write the record of a release whose other files are on the disk."""
    durable.write(directory / RECORD, json.dumps({"format": FORMAT, **record.model_dump()}, indent=2))


def read_record(directory: Path) -> IndexRecord:
    """The record of a release. Raises NotFound, or IndexUnavailable where this version cannot read the release."""
    try:
        values = json.loads((directory / RECORD).read_bytes())
        written = values.pop("format", 0)
        if written != FORMAT:
            raise _of_another_version(directory.name, written)
        return IndexRecord.model_validate(values)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no release {directory.name}.") from None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its record cannot be read.") from error


def _of_another_version(name: str, written: int) -> IndexUnavailable:
    version = "an earlier" if written < FORMAT else "a later"
    return IndexUnavailable(
        f"The release {name} was built by {version} version, whose files this version cannot read. Reindex: "
        "`python -m app reindex`."
    )


def read_calibration(directory: Path) -> Calibration | None:
    """The calibration of a release, or None. Raises IndexUnavailable where it cannot be read."""
    try:
        return cast(Calibration, json.loads((directory / CALIBRATION).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its calibration cannot be read.") from error
