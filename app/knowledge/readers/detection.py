"""What format a file has: by its name, or by its content where the name is wrong or says nothing."""

import re
from pathlib import Path

from app.knowledge.readers.delimited import dialect_of
from app.knowledge.readers.fields import ENTRY_FIELDS, Fields, folded
from app.knowledge.readers.options import Format

SUFFIXES: dict[str, Format] = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "table",
    ".tsv": "table",
    ".xlsx": "xlsx",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
}
NAMES: dict[Format, str] = {
    "json": "JSON",
    "table": "CSV",
    "xlsx": "XLSX",
    "yaml": "YAML",
    "markdown": "Markdown",
    "html": "HTML",
}
_BINARY = {
    b"\xd0\xcf\x11\xe0": "is an old Office file (.xls or .doc); save it as XLSX or CSV",
    b"%PDF": "is a PDF file; copy its questions and answers into a CSV file or a spreadsheet",
    b"\x1f\x8b": "is a gzip archive; unpack it first",
}
_HTML = re.compile(
    r"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|details|script|div|section|main)\b", re.I | re.S
)
_YAML = re.compile(
    r"(?:\s*(?:#[^\n]*|---[ \t]*)?\r?\n)*(?:-[ \t]+|[\w ]+:[ \t]*\r?\n[ \t]*-[ \t]+)\"?[\w ]+\"?:(?:\s|\Z)"
)
_JSON = re.compile(r"\s*(?:\{\s*(?:\"|\}|\Z)|\[\s*(?:\{|\]|\Z))")
_HEADING = re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE)
_SAMPLE = 100_000  # characters that are looked at


def format_by_name(name: str) -> Format | None:
    """The format that the file's suffix promises; None for an unknown or a missing one."""
    return SUFFIXES.get(Path(name).suffix.lower())


def is_archive(data: bytes) -> bool:
    """True for a ZIP archive, as XLSX files are."""
    return data.startswith(b"PK\x03\x04")


def refused(data: bytes) -> str | None:
    """Why a binary file of a known kind cannot be read; None for any other bytes."""
    return next((reason for magic, reason in _BINARY.items() if data.startswith(magic)), None)


def format_of(text: str, promised: Format | None, fields: Fields) -> Format | None:
    """The format of a text: the promised one where the content could be of it, else what the content looks like.

    Where nothing fits it is the promised one, whose reader says what is wrong.
    """
    sample = text[:_SAMPLE]
    if promised and _could_be(sample, promised):
        return promised
    looks: tuple[Format, ...] = ("json", "html", "yaml", "table", "markdown")
    return next((format for format in looks if _looks_like(sample, format, fields)), promised)


def _could_be(text: str, format: Format) -> bool:
    """False for what is surely another format."""
    if format == "xlsx":  # which is no text
        return False
    if format == "json":
        return bool(re.match(r"\s*[\[{]|\s*\Z", text))
    if format == "html":
        return bool(re.search(r"<\w", text))
    return format == "yaml" or not (_JSON.match(text) or _HTML.match(text))


def _looks_like(text: str, format: Format, fields: Fields) -> bool:
    if format == "json":
        return bool(_JSON.match(text))
    if format == "html":
        return bool(_HTML.match(text))
    if format == "yaml":
        return bool(_YAML.match(text))
    if format == "markdown":
        return bool(_HEADING.search(text))
    return _is_table(text, fields)


def _is_table(text: str, fields: Fields) -> bool:
    """True for a header with two expected columns."""
    names = fields.names or ENTRY_FIELDS.names
    known = {folded(name) for field, others in names.items() for name in (field, *others)}
    return sum(folded(name) in known for name in dialect_of(text, fields).names) > 1
