"""The types of settings that are written in a form of their own."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from app.colors import accent
from app.keys import NamedKey

_DIGEST = r"^[0-9a-f]{64}$"

Digests = Annotated[tuple[Annotated[str, Field(pattern=_DIGEST)], ...], NoDecode]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$")]
Names = Annotated[tuple[str, ...], NoDecode]
NamedKeys = Annotated[tuple[Annotated[NamedKey, BeforeValidator(NamedKey.of)], ...], NoDecode]

Share = Annotated[float, Field(gt=0, lt=1)]
PageColor = Annotated[str, AfterValidator(accent)]
LogQuestions = Literal["off", "counts", "redacted", "full"]

_PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_RATE = re.compile(r"^([1-9][0-9]{0,8})/(second|minute|hour)$")


@dataclass(frozen=True)
class Rate:
    """A number of requests in a number of seconds; written as `60/minute`."""

    count: int
    seconds: float

    @classmethod
    def of(cls, text: object) -> "Rate | None":
        """The rate that a text such as `60/minute` names; None, which is no limit, stays None. Raises ValueError."""
        if text is None or isinstance(text, Rate):
            return text
        if not isinstance(text, str) or not (match := _RATE.match(text.strip().lower())):
            raise ValueError("a rate is written as 100/second, 600/minute or 5000/hour")
        return cls(int(match[1]), _PERIODS[match[2]])

    def __str__(self) -> str:
        return f"{self.count}/{next(name for name, seconds in _PERIODS.items() if seconds == self.seconds)}"


Limit = Annotated[Rate | None, NoDecode, BeforeValidator(Rate.of)]
