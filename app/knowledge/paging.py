"""Cursors of pages: opaque to the caller, and valid after the entry that ended the page is gone."""

import base64
import json

from app.errors import InputError

Place = tuple[int, str]  # position and id: the key that entries are ordered by

_LARGEST = 2**31  # position is a 32-bit column


def cursor(place: Place) -> str:
    """The cursor of the page that follows `place`."""
    return base64.urlsafe_b64encode(json.dumps(place, ensure_ascii=False).encode()).decode().rstrip("=")


def place_of(text: str) -> Place:
    """What `cursor` made a text of. Raises InputError for any other text."""
    try:
        position, entry_id = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_"))
        place = int(position), str(entry_id)
        if cursor(place) == text and abs(place[0]) < _LARGEST and "\0" not in place[1]:
            return place
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise InputError("`after` is not a cursor. Pass `next_after` of the page before, unchanged.", "after")
