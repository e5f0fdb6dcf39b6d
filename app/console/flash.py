"""Messages about what was done, with the steps that undo it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.console.changes import Step
from app.console.texts import texts
from app.releases.updater import Mode


@dataclass(frozen=True)
class Flash:
    """A message. `fields`: of the form that undoes what was done, sent to `action`; empty where nothing does."""

    kind: Literal["done", "error"]
    text: str
    fields: tuple[tuple[str, str], ...] = ()
    action: str = "undo"

    def as_dict(self) -> dict[str, Any]:
        """For templates and for the cookie."""
        return asdict(self)


def done(text: str, back: str, steps: Sequence[Step], mode: Mode) -> Flash:
    """Entries were changed, which the steps undo; then the person returns to `back`. `mode`: which changes answer by
    themselves."""
    if not steps:
        return Flash("done", text)
    said = f"{text} {texts().flash['later' if mode == 'off' else 'soon']}"
    return Flash("done", said, (("back", back), *(("step", str(step)) for step in steps)))
