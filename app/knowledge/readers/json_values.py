"""Values out of a JSON text, position by position. NaN and the infinities are None. Knows no rows."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from sys import intern

from app.knowledge.readers.options import Limits
from app.knowledge.readers.row import BadRow

_SPACE = re.compile(r"[ \t\r\n]*")


def parse_json(text: str, limits: Limits) -> object:
    """The value of a JSON text. Raises BadRow, also for what would exhaust the parser."""
    if len(text) > limits.cell_chars:
        raise BadRow(
            f"has {len(text):,} characters; at most {limits.cell_chars:,} are allowed (FAQ_IMPORT_MAX_CELL_CHARS)"
        )
    cursor = Cursor(text, limits)
    value = cursor.value()
    if cursor.peek():
        raise BadRow(f"broken JSON at column {cursor.ended + 1}: nothing may follow")
    return value


class Cursor:
    """A position in a JSON text, and its line."""

    def __init__(self, text: str, limits: Limits) -> None:
        self.text = text
        self.ended = 0  # where the value before ended
        self._limits = limits
        self._at = self._counted = 0
        self._line = 1

    @property
    def line(self) -> int:
        """The line, 1-based, of what comes next."""
        self._line += self.text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        match = _SPACE.match(self.text, self._at)
        self._at = match.end() if match else self._at
        return self.text[self._at : self._at + 1]

    def take(self, character: str) -> bool:
        """Pass the character if it comes next."""
        if self.peek() != character:
            return False
        self._at += 1
        return True

    def value(self) -> object:
        """The value that comes next. Raises BadRow."""
        self.peek()
        start = self._at
        value, self._at = _scan(self.text, start)
        self.ended = self._at
        check_nesting(value, self.text, start, self._at, self._limits.nesting)
        return value

    def elements(self) -> Iterator[tuple[int, object]]:
        """The elements of the array that comes next, each with its line. Raises BadRow where it breaks."""
        self.take("[")
        if self.take("]"):
            return
        while True:
            self.peek()
            line = self.line
            try:
                value = self.value()
            except BadRow as error:
                raise BadRow(str(error), line=error.line or line) from error
            yield line, value
            if not self.take(","):
                break
        if not self.take("]"):
            raise BadRow("broken JSON: the list should go on or end here", line=self.line)


def check_nesting(value: object, text: str, start: int, end: int, limit: int) -> None:
    """Raises BadRow for lists and objects in each other deeper than the limit."""
    if not isinstance(value, dict | list) or text.count("[", start, end) + text.count("{", start, end) <= limit:
        return
    level: list[object] = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return
    raise BadRow(f"nested deeper than {limit} levels (FAQ_IMPORT_MAX_NESTING)")


def _inner(value: object) -> Iterator[object]:
    """The lists and objects within a list or an object."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (inner for inner in values if isinstance(inner, dict | list))


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object. Raises BadRow where a key occurs twice: its first value would be lost."""
    values = {intern(key): value for key, value in pairs}  # the keys of every row are the same few
    if len(values) < len(pairs):
        repeated = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise BadRow(f"has the key `{repeated}` twice")
    return values


_DECODER = JSONDecoder(parse_float=_finite, parse_constant=lambda _: None, object_pairs_hook=_unique)


def _scan(text: str, start: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, start)
    except JSONDecodeError as error:
        raise BadRow(f"broken JSON at column {error.colno}: {error.msg}", line=error.lineno) from error
    except RecursionError as error:
        raise BadRow("nested too deeply") from error
    except BadRow:
        raise
    except ValueError as error:  # Python refuses to convert thousands of digits
        raise BadRow("a number has too many digits") from error
