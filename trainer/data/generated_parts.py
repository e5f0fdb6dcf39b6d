"""Generated queries on disk: TSV files of 1,024 lines `query<TAB>passage`, the last one shorter.

A part is written aside and renamed when it is full, so what an interrupted run leaves behind is whole parts. Tabs and
line breaks within a text become spaces.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from app import durable
from app.errors import InputError, Place, RowError

PAIRS = 1024  # in a part
NAME = "part-{:05}.tsv"


class Asked(NamedTuple):
    """A query and the passage that it was made from."""

    query: str
    passage: str


class Read(NamedTuple):
    """What was read: the pairs, and the lines that were skipped because they hold no pair."""

    pairs: list[Asked]
    skipped: list[RowError]


def flat(text: str) -> str:
    """The text on one line, without tabs; what a part holds of it."""
    return " ".join(text.split())


def files_in(path: Path) -> list[Path]:
    """The TSV files of a directory, in order, or the one file. Raises InputError where there is none."""
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.tsv")) if path.is_dir() else []
    if not files:
        raise InputError(f"{path} is no TSV file, and no directory with any in it.", "data")
    return files


def read(path: Path) -> Read:
    """Every pair of a TSV file, or of those in a directory. Raises InputError for what cannot be read as UTF-8."""
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
        raise InputError(f"{file} is not UTF-8; save it as UTF-8", "data") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", "data") from error


def write(directory: Path, number: int, pairs: Iterable[Asked]) -> Path:
    """One part, whole or not at all."""
    path = directory / NAME.format(number)
    durable.write(path, "".join(f"{flat(pair.query)}\t{flat(pair.passage)}\n" for pair in pairs))
    return path
