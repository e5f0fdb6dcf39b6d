"""Messages about what was done, with the steps that undo it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.console.changes import Step
from app.console.texts import texts
from app.releases.updater import Mode


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


def done(text: str, back: str, steps: Sequence[Step], mode: Mode) -> Flash:
    """Entries were changed, which the steps undo. `mode`: which changes answer by themselves."""
    said = [text, texts().flash["later" if mode == "off" else "soon"]] if steps else [text]
    return Flash("done", " ".join(said), tuple(map(str, steps)), back)
