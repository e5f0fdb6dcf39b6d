"""Generated queries on disk: TSV files of 1,024 lines `query<TAB>passage`, the last one shorter.

A part is written to a temporary file and renamed when it is full, so that an interrupted run leaves complete parts.
Tabs and line breaks within a text become spaces.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from app import durable
from app.errors import InputError, Place, RowError

PAIRS = 1024  # in a part
NAME = "part-{:05}.tsv"


class Asked(NamedTuple):
    """A query and the passage that it was generated from."""

    query: str
    passage: str


class Read(NamedTuple):
    """The pairs of a file or directory, and the lines that were skipped because they hold no pair."""

    pairs: list[Asked]
    skipped: list[RowError]


def flat(text: str) -> str:
    """The text on one line and without tabs, as in a part."""
    return " ".join(text.split())


def files_in(path: Path) -> list[Path]:
    """The TSV files of a directory, in order, or the file itself. Raises InputError if there are none."""
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.tsv")) if path.is_dir() else []
    if not files:
        raise InputError(f"{path} is neither a TSV file nor a directory with TSV files.", "data")
    return files


def read(path: Path) -> Read:
    """The pairs of a TSV file, or of the TSV files of a directory. Raises InputError if a file is not UTF-8."""
    pairs: list[Asked] = []
    skipped: list[RowError] = []
    for file in files_in(path):
        for number, line in enumerate(_lines(file), start=1):
            query, _, passage = (part.strip() for part in line.partition("\t"))
            if query and passage:
                pairs.append(Asked(query, passage))
            elif line.strip():
                skipped.append(RowError(str(file), Place(number), "is not `query<TAB>passage`"))
    return Read(pairs, skipped)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8. Save it as UTF-8.", "data") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", "data") from error


def write(directory: Path, number: int, pairs: Iterable[Asked]) -> Path:
    """Write one part atomically."""
    path = directory / NAME.format(number)
    durable.write(path, "".join(f"{flat(pair.query)}\t{flat(pair.passage)}\n" for pair in pairs))
    return path
