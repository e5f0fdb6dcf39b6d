"""What format a file has, by its name and by its content."""

from pathlib import Path

from app.knowledge.readers.options import Format

SUFFIXES: dict[str, Format] = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "table",
    ".tsv": "table",
    ".tab": "table",
}


def format_by_name(name: str) -> Format | None:
    """The format that the file's suffix promises; None for an unknown or a missing one."""
    return SUFFIXES.get(Path(name).suffix.lower())
