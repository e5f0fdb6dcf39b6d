"""Cursors of lists in this room: the key of a page's last row, opaque to the caller."""

from app.errors import InputError
from app.text.cursor import UNREADABLE, decoded, encoded

Part = float | str


def cursor(*key: Part) -> str:
    """The cursor of the page that follows the row with this key."""
    return encoded(key)


def key_of(text: str, *kinds: type[Part]) -> tuple[Part, ...]:
    """What `cursor` made a text of, if its parts have these types. Raises InputError for any other text."""
    try:
        parts = decoded(text)
        fits = isinstance(parts, list) and [type(part) for part in parts] == list(kinds)
        if isinstance(parts, list) and fits and cursor(*parts) == text and all(map(_is_storable, parts)):
            return tuple(parts)
    except UNREADABLE:
        pass
    raise InputError("`after` is not a cursor of this list. Pass `next_after` of the page before, unchanged.", "after")


def _is_storable(part: Part) -> bool:
    """Whether every database accepts the value as a parameter."""
    if isinstance(part, str):
        return "\0" not in part
    return abs(part) < 2**53
