"""Many vectors in two inverted files, one of the answers and one of the phrasings of entries.

cells/answers/, cells/phrasings/   see index.inverted_file; the second only where an entry has a phrasing
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.arrays import Flags, Integers, Vectors
from app.index.inverted_file import InvertedFile, write_inverted_file
from app.index.nearest import Nearest

CELLS = "cells"
SIDES = ("answers", "phrasings")
NOTHING = Nearest(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


class Cells:
    """The vectors of a publish, memory-mapped; see `Part`."""

    def __init__(self, directory: Path, entries: int) -> None:
        """Raises IndexUnavailable where a file is missing or damaged."""
        self.entries = entries
        folders = (directory / CELLS / side for side in SIDES)
        self._files = [InvertedFile.open(folder) if folder.exists() else None for folder in folders]

    def compare(self, questions: Vectors) -> "Sequence[CellsRow]":
        """As `Part.compare`; a question is compared when its nearest entries are asked for."""
        return [CellsRow(self._files, question) for question in questions]


class CellsRow(NamedTuple):
    """One question; see `Compared`."""

    files: Sequence[InvertedFile | None]
    question: Vectors  # (dimension,)

    def nearest(self, side: int, limit: int, allowed: Flags | None = None) -> Nearest:
        """As `Compared.nearest`: nearly the best."""
        file = self.files[side]
        return file.nearest(self.question, limit, allowed) if file else NOTHING


def write_cells(directory: Path, vectors: Vectors, bounds: Integers) -> None:
    """Write both inverted files. `vectors` and `bounds`: as of `VectorFile`."""
    (directory / CELLS).mkdir()
    for kind, side in enumerate(SIDES):
        counts = bounds[:, kind + 1] - bounds[:, kind]
        entries = np.repeat(np.arange(len(bounds)), counts)
        if len(entries):
            firsts = np.repeat(bounds[:, kind] - np.cumsum(counts) + counts, counts)
            write_inverted_file(directory / CELLS / side, vectors, firsts + np.arange(len(entries)), entries)
