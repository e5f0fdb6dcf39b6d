"""The texts of the interface, from `texts.toml`, and the numbers and times within them."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

_AGES = (("minutes", 60, 3_600), ("hours", 3_600, 86_400), ("days", 86_400, 30 * 86_400))


class Texts:
    """One section of the texts: `texts.entries.title`. A name that it lacks raises AttributeError."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a text or a section
        try:
            value = self._values[name]
        except KeyError:
            raise AttributeError(f"texts.toml has no text `{name}`") from None
        return Texts(value) if isinstance(value, dict) else value

    __getitem__ = __getattr__

    def get(self, name: str, default: str) -> str:
        """A text, or `default` where there is none of that name."""
        return str(self._values.get(name, default))


@cache
def texts() -> Texts:
    """All texts of the interface."""
    return Texts(tomllib.loads(files("app.console").joinpath("texts.toml").read_text("utf-8")))


def counted(number: int, forms: str) -> str:
    """A number in words. `forms`: the text for one and the text for other numbers, as `1 entry|{n} entries`."""
    singular, _, plural = forms.partition("|")
    return singular if number == 1 else plural.format(n=f"{number:,}")


def ago(at: datetime | str, now: datetime | None = None) -> str:
    """How long ago a moment was, as `5 min ago`; its date when it is more than 30 days ago."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 60:
        return str(texts().time.now)
    for name, unit, limit in _AGES:
        if seconds < limit:
            return str(texts().time[name]).format(n=int(seconds // unit))
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def stamp(at: datetime | str) -> str:
    """A moment in UTC to the minute, as `2026-12-31 18:00 UTC`."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def percent(share: float | None, digits: int = 0) -> str:
    """A share between 0 and 1 as a percentage; a dash for None."""
    return "–" if share is None else f"{share * 100:.{digits}f} %"
