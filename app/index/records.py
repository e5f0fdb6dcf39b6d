"""What a release of the embedded index says of itself: its record, and the calibration beside it."""

import json
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from app.errors import IndexUnavailable, NotFound
from app.index.protocol import Calibration, IndexRecord

RECORD, CALIBRATION = "record.json", "calibration.json"


def read_record(directory: Path) -> IndexRecord:
    """The record of a release. Raises NotFound, or IndexUnavailable where it cannot be read."""
    try:
        return IndexRecord.model_validate_json((directory / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no release {directory.name}.") from None
    except (OSError, ValidationError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its record cannot be read.") from error


def read_calibration(directory: Path) -> Calibration | None:
    """The calibration of a release, or None. Raises IndexUnavailable where it cannot be read."""
    try:
        return cast(Calibration, json.loads((directory / CALIBRATION).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its calibration cannot be read.") from error
