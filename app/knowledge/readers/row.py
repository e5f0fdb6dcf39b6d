"""A row of a file, whatever its format. Knows no file."""

from dataclasses import dataclass

from app.errors import Place


@dataclass(frozen=True, slots=True)
class Row:
    """An object of a file and where it stands. NaN and the infinities are None."""

    place: Place
    values: dict[str, object]


class BadRow(ValueError):
    """A row that is refused; the message is the reason. `line` counts within the parsed text, 0 if unknown."""

    def __init__(self, reason: str, field: str | None = None, line: int = 0) -> None:
        super().__init__(reason)
        self.field = field
        self.line = line
