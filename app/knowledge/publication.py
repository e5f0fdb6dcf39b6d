"""When an entry answers: its state, and the moments between which it is valid. Knows no entries."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

from app.text.limits import kind_of_value

State = Literal["draft", "live", "archived"]

STATES: tuple[State, ...] = get_args(State)
FIELDS = ("state", "valid_from", "valid_until", "follow_ups")
FILE_KEYS = {f"entry.{name}": name for name in FIELDS}  # in files, where `state` is metadata

_DAY = re.compile(r"^\d{4}-\d\d-\d\d$")
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def moment(at: datetime) -> str:
    """A moment as entries hold it: UTC, to the second, of one length, so that texts sort as the moments do."""
    return at.astimezone(UTC).strftime(_FORMAT)


def answers_at(state: str, valid_from: str | None, valid_until: str | None, at: datetime) -> bool:
    """Whether an entry is live, and valid at this moment."""
    now = moment(at)
    return state == "live" and (valid_from is None or valid_from <= now) and (valid_until is None or valid_until > now)


def clean_moment(value: object, name: str, *, end: bool = False) -> str | None:
    """A moment in ISO 8601 as `moment` writes it; None for None and an empty text.

    A time without a zone is UTC. A day is its first moment in UTC; with `end` the first moment after it. Raises
    ValueError naming the field.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"`{name}` must be a time as text, not {kind_of_value(value)}")
    text = value.strip()
    try:
        at = datetime.fromisoformat(text)
        if end and _DAY.match(text):
            at = datetime.combine(date.fromisoformat(text) + timedelta(days=1), at.time())
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        if not 1900 <= at.year <= 9998:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(
            f"`{name}` is no time between the years 1900 and 9998; write it as 2026-12-31 or 2026-12-31T18:00:00Z"
        ) from None
    return moment(at)
