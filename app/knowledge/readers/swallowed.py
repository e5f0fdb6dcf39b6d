"""Quoted cells that swallowed rows: a lone quote opened a cell, and another one, rows later, closed it."""

import re

_LINE_END = re.compile(r"\r\n|\r|\n")


class Suspicion:
    """Looks at the cells of one CSV text.

    A cell is suspected when its line breaks could be ends of rows: every line after the first holds as many delimiters
    as a row has, the first and the last at least as many as the cell's place in a row leaves them. A text whose every
    cell is quoted is above suspicion: no cell of it opens with a lone quote.
    """

    def __init__(self, text: str, start: int, delimiter: str) -> None:
        self._text, self._start, self._delimiter = text, start, delimiter
        self._all_quoted: bool | None = None

    def lines(self, cells: list[str], width: int, line: int) -> tuple[int, int] | None:
        """The first and the last line of a cell that is suspected, of a row that begins at `line`; None if none is."""
        for i, cell in enumerate(cells):
            breaks = len(_LINE_END.findall(cell))
            if breaks and self._holds_rows(cell, i, width) and not self._every_cell_is_quoted():
                return line, line + breaks
            line += breaks
        return None

    def _holds_rows(self, cell: str, i: int, width: int) -> bool:
        first, *between, last = (part.count(self._delimiter) for part in _LINE_END.split(cell))
        if width < 2 or first < width - 1 - i or last < i:
            return False
        return all(count >= width - 1 for count in between) and (bool(between) or i > 0)

    def _every_cell_is_quoted(self) -> bool:
        if self._all_quoted is None:
            cell = r'"(?:[^"]|"")*+"'
            row = rf"(?:{cell}(?:{re.escape(self._delimiter)}{cell})*+)?"
            self._all_quoted = bool(re.compile(rf"{row}(?:(?:\r\n|\r|\n){row})*+\Z").match(self._text, self._start))
        return self._all_quoted
