"""Options of the sender for reading a file, and the limits of its size. Knows no format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.settings import Settings

Format = Literal["json", "table", "xlsx", "yaml", "markdown", "html"]


@dataclass(frozen=True)
class Limits:
    """The largest file that is read. More is refused in words that name the setting."""

    file_bytes: int = 256 * 1024 * 1024  # as it lies on disk
    unpacked_bytes: int = 512 * 1024 * 1024  # of an XLSX file, which is a ZIP archive
    rows: int = 1_000_000
    cells: int = 20_000_000  # of a table: rows times columns
    cell_chars: int = 10_000_000  # of one cell of a table, or of one line of JSON
    nesting: int = 500  # lists and objects within each other

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits that the settings `FAQ_IMPORT_MAX_*` give."""
        return cls(
            file_bytes=settings.import_max_bytes,
            unpacked_bytes=settings.import_max_unpacked_bytes,
            rows=settings.import_max_rows,
            cells=settings.import_max_cells,
            cell_chars=settings.import_max_cell_chars,
            nesting=settings.import_max_nesting,
        )


@dataclass(frozen=True)
class ReadOptions:
    """Options of the person who sends a file.

    `format` is what the sender calls it, where the name does not tell; the content decides where both are wrong.
    `mapping` names the file's own columns: `{"question": "Frage"}` reads the column `Frage` as the question.
    """

    format: Format | None = None
    sheet: str | None = None  # of an XLSX file; None: the first
    mapping: Mapping[str, str] = field(default_factory=dict)
    allow_multiline: bool = False  # accept cells that look like swallowed rows
    fix_mojibake: bool = False
    limits: Limits = field(default_factory=Limits)


def mapping_of(texts: list[str]) -> dict[str, str]:
    """`["question=Frage"]` as a mapping. Raises ValueError for a text without `=`, or a field given twice."""
    mapping: dict[str, str] = {}
    for text in texts:
        name, equals, column = (part.strip() for part in text.partition("="))
        if not (name and equals and column):
            raise ValueError(f"`{text}` must be written as FIELD=COLUMN, such as question=Frage")
        if name in mapping:
            raise ValueError(f"`{name}` is mapped twice")
        mapping[name] = column
    return mapping
