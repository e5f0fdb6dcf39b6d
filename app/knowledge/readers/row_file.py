"""A file that is being read: its bytes, what is known of it, the bad rows and the warnings. Knows no format."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from app.errors import FileError, InputError, Place, RowError
from app.knowledge.readers.fields import ANY_FIELDS, Fields
from app.knowledge.readers.options import ReadOptions
from app.knowledge.readers.warning import Kind, Warnings

_REASON_LENGTH = 500
_BLOCK_BYTES = 256 * 1024  # that are hashed at a time
_MOST_ERRORS = 10_000  # bad rows that are collected before reading stops


@dataclass
class RowFile:
    """One file being read. Bad rows are collected, so that one reading reports them all."""

    name: str
    source: Path | bytes
    options: ReadOptions = field(default_factory=ReadOptions)
    fields: Fields = ANY_FIELDS
    format: str = ""  # in words for a person: `JSON lines`, `CSV`, `QnA Maker`
    encoding: str = "utf-8"
    guessed: bool = False  # the encoding
    mapping: dict[str, str] = field(default_factory=dict)  # the file's column -> our field
    errors: list[RowError] = field(default_factory=list)
    warnings: Warnings = field(default_factory=Warnings)

    @classmethod
    def open(cls, path: Path, options: ReadOptions | None = None, fields: Fields = ANY_FIELDS) -> "RowFile":
        """The file at a path. Raises InputError when it cannot be read, FileError when it is too large."""
        file = cls(str(path), path, options or ReadOptions(), fields)
        with file.opened():
            return file

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The bytes. Raises InputError when they cannot be read, FileError when there are more than allowed."""
        try:
            stream = BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror}") from error
        with stream:
            size, limit = stream.seek(0, os.SEEK_END), self.options.limits.file_bytes
            if size > limit:
                self.fail(f"has {size:,} bytes; at most {limit:,} are allowed (FAQ_IMPORT_MAX_BYTES)")
            stream.seek(0)
            yield stream

    @contextmanager
    def lines(self) -> Iterator[TextIO]:
        """The lines of a file in UTF-8, each with the LF that ends it. Raises like `opened`."""
        with self.opened() as stream, TextIOWrapper(stream, "utf-8-sig", newline="\n") as lines:
            yield lines

    @property
    def data(self) -> bytes:
        """Every byte, in memory. Raises like `opened`."""
        with self.opened() as stream:
            return stream.read()

    @property
    def sha256(self) -> str:
        """Digest of the bytes."""
        with self.opened() as stream:
            digest = hashlib.sha256()
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()

    def reject(self, place: Place | None, reason: str, field: str | None = None) -> None:
        """Note a bad row. The reason is made printable and cut to 500 characters. Raises FileError at the 10,000th."""
        printable = reason.encode(errors="backslashreplace").decode().replace("\0", "\\0")
        self.errors.append(RowError(self.name, place, printable[:_REASON_LENGTH], field))
        if len(self.errors) == _MOST_ERRORS:
            self.check()

    def fail(self, reason: str, place: Place | None = None, field: str | None = None) -> None:
        """Stop reading. Raises FileError with this reason and with every bad row before it."""
        self.reject(place, reason, field)
        self.check()

    def warn(self, kind: Kind, message: str, place: Place | None = None) -> None:
        """Add a warning. The message is made printable and cut to 500 characters."""
        printable = message.encode(errors="backslashreplace").decode().replace("\0", "\\0")
        self.warnings.add(kind, printable[:_REASON_LENGTH], place)

    def check(self) -> None:
        """Raises FileError holding every bad row, in file order, if there is one."""
        if self.errors:
            raise FileError(sorted(self.errors, key=lambda row: row.place.number if row.place else 0))
