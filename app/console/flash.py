"""Messages about what was done, with the steps that undo it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.console.changes import Step


@dataclass(frozen=True)
class Flash:
    """A message. `steps`: undo it; `back`: the page to return to after that."""

    kind: Literal["done", "error"]
    text: str
    steps: tuple[str, ...] = ()
    back: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For templates and for the cookie."""
        return asdict(self)


def done(text: str, back: str, steps: Sequence[Step] = ()) -> Flash:
    """Something was done, and can be undone by the steps."""
    return Flash("done", text, tuple(map(str, steps)), back)
