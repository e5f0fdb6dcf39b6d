"""From the bytes of a file to its rows: JSON lines, a JSON array, or CSV. Knows no entries.

A row is its line, 1-based as an editor shows it, and an object. NaN, the infinities and empty CSV cells are read as
null. Bad rows are collected rather than raised, so that one reading reports them all.
"""

import codecs
import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Literal

from app.errors import FileError, InputError, RowError
from app.knowledge.text import kind_of_value

Kind = Literal["json", "csv"]
Row = tuple[int, dict[str, object]]

SUFFIXES: dict[str, Kind] = {".jsonl": "json", ".ndjson": "json", ".json": "json", ".csv": "csv"}
LINE_LENGTH = 10_000_000

_REASON_LENGTH = 500
_NOT_FINITE = frozenset(sign + word for sign in ("", "+", "-") for word in ("nan", "inf", "infinity"))
_SPACE = re.compile(r"[ \t\r\n]*")


class BadRow(ValueError):
    """One row that cannot be taken; its text is the reason. `line` is counted within the parsed text, 0 if unknown."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


def parse_json(text: str) -> object:
    """The value of a JSON text. Raises BadRow, also for what would exhaust the parser."""
    if len(text) > LINE_LENGTH:
        raise BadRow(f"has {len(text):,} characters; at most {LINE_LENGTH:,} are allowed")
    value, end = _scan(text, _skip(text, 0))
    if _skip(text, end) != len(text):
        raise BadRow(f"broken JSON at column {end + 1}: nothing may follow")
    return value


def kind_of(name: str) -> Kind:
    """The format that a file's name promises. Raises InputError naming the suffixes that are read."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{name}: a file's name must end in one of {', '.join(SUFFIXES)}")
    return SUFFIXES[suffix]


@dataclass
class RowFile:
    """One file being read: its name, its bytes, and the bad rows found so far."""

    name: str
    data: bytes
    kind: Kind
    errors: list[RowError] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> "RowFile":
        """The file, in memory. Raises InputError when it cannot be read or its suffix is none of ours."""
        kind = kind_of(path.name)
        try:
            return cls(str(path), path.read_bytes(), kind)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error

    @property
    def sha256(self) -> str:
        """Digest of the bytes as they were read."""
        return hashlib.sha256(self.data).hexdigest()

    def rows(self, *required: str) -> Iterator[Row]:
        """Every row that parses and holds the required keys. Raises FileError when the file is not UTF-8."""
        text = self._decode()
        if self.kind == "csv":
            found = self._csv_rows(text, required)
        elif text.lstrip().startswith("["):
            found = self._array_rows(text)
        else:
            found = self._line_rows(text)
        for line, row in found:
            if missing := [key for key in required if row.get(key) is None]:
                has = ", ".join(f"`{key}`" for key, value in row.items() if value is not None) or "nothing"
                self.reject(line, f"needs `{missing[0]}`; it has {has}", missing[0])
            else:
                yield line, row

    def reject(self, line: int, reason: str, field: str | None = None) -> None:
        """Note a bad row. What the reason quotes of it is made printable and short."""
        printable = reason.encode(errors="backslashreplace").decode().replace("\0", "\\0")
        self.errors.append(RowError(self.name, line, printable[:_REASON_LENGTH], field))

    def check(self) -> None:
        """Raises FileError holding every bad row, in file order, if there is one."""
        if self.errors:
            raise FileError(sorted(self.errors, key=lambda row: row.line))

    def _decode(self) -> str:
        try:
            return self.data.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            reason = f"not UTF-8 (byte 0x{error.object[error.start]:02x}); save the file as UTF-8"
            raise FileError([RowError(self.name, line, reason)]) from error

    def _line_rows(self, text: str) -> Iterator[Row]:
        for number, line in enumerate(text.split("\n"), start=1):
            if line and not line.isspace():
                try:
                    yield number, _object(parse_json(line))
                except BadRow as error:
                    self.reject(number, str(error))

    def _array_rows(self, text: str) -> Iterator[Row]:
        line, counted = 1, 0
        position = _skip(text, _skip(text, 0) + 1)
        more = text[position : position + 1] != "]"
        while more:
            line, counted = line + text.count("\n", counted, position), position
            try:
                value, end = _scan(text, position)
            except BadRow as error:
                return self.reject(error.line or line, str(error))
            try:
                yield line, _object(value)
            except BadRow as error:
                self.reject(line, str(error))
            position = _skip(text, end)
            more = text[position : position + 1] == ","
            position = _skip(text, position + 1) if more else position
        if text[position:].rstrip() != "]":
            self.reject(line + text.count("\n", counted, position), "broken JSON: the list should go on or end here")
        return None

    def _csv_rows(self, text: str, required: tuple[str, ...]) -> Iterator[Row]:
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header: list[str] | None = None
        line = 1
        try:
            for cells in reader:
                if header is None:
                    header = self._header(cells, required)
                elif any(cells):
                    yield from self._csv_row(line, header, cells)
                if self.errors and not header:
                    return
                line = reader.line_num + 1
        except csv.Error as error:
            self.reject(line, f"broken CSV: {error}")

    def _header(self, names: list[str], required: tuple[str, ...]) -> list[str]:
        shown = ", ".join(f"`{name}`" for name in names)
        if missing := [key for key in required if key not in names]:
            self.reject(1, f"needs a column `{missing[0]}`; the header has {shown}", missing[0])
        elif repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            self.reject(1, f"the header names the column `{repeated[0]}` twice")
        return [] if self.errors else names

    def _csv_row(self, line: int, header: list[str], cells: list[str]) -> Iterator[Row]:
        if len(cells) != len(header):
            self.reject(line, f"has {len(cells)} cells; the header has {len(header)}")
        else:
            yield line, {name: _cell(cell) for name, cell in zip(header, cells, strict=True) if name}


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


_DECODER = JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)


def _scan(text: str, start: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, start)
    except JSONDecodeError as error:
        raise BadRow(f"broken JSON at column {error.colno}: {error.msg}", error.lineno) from error
    except RecursionError as error:
        raise BadRow("nested too deeply") from error
    except ValueError as error:  # Python refuses to convert thousands of digits
        raise BadRow("a number has too many digits") from error


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise BadRow(f"must be an object, not {kind_of_value(value)}")
    return value


def _cell(cell: str) -> str | None:
    return None if not cell or cell.strip().lower() in _NOT_FINITE else cell


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
