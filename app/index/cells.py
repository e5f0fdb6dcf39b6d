"""Many vectors in two inverted files, one of the answers and one of the phrasings of entries.

cells/answers/, cells/phrasings/   see index.inverted_file; the second only where an entry has a phrasing
cells/axes/rotation.npy            (dimension, dimension) float32: the principal axes of all vectors, a column each,
                                   those of most energy first
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.arrays import Flags, Floats, Integers, Vectors
from app.index.array_files import map_arrays, save_arrays
from app.index.inverted_file import NOTHING, InvertedFile, Numbers
from app.index.inverted_file_writer import write_inverted_file
from app.index.nearest import Nearest, in_8_bits

CELLS, AXES = "cells", "axes"
SIDES = ("answers", "phrasings")
SAMPLE = 16_384  # vectors of which the principal axes are computed
ENERGY, STEP = 0.85, 32  # a head has so much of the energy of the vectors, and a multiple of STEP coordinates


class Cells:
    """The vectors of a publish, memory-mapped; see `Part`."""

    def __init__(self, directory: Path, entries: int) -> None:
        """Raises IndexUnavailable where a file is missing or damaged."""
        self.entries = entries
        (rotation,) = map_arrays(directory / CELLS / AXES, ["rotation"])
        self._rotation = np.array(rotation)
        folders = (directory / CELLS / side for side in SIDES)
        self._files = [InvertedFile.open(folder) if folder.exists() else None for folder in folders]

    def compare(self, questions: Vectors) -> "Sequence[CellsRow]":
        """As `Part.compare`; a question is compared when its nearest entries are asked for."""
        return [CellsRow(self._files, row[None]) for row in in_8_bits(questions @ self._rotation)[0]]


class CellsRow(NamedTuple):
    """One question; see `Compared`."""

    files: Sequence[InvertedFile | None]
    question: Numbers  # (1, dimension), rotated

    def nearest(self, side: int, limit: int, allowed: Flags | None = None) -> Nearest:
        """As `Compared.nearest`: nearly the best."""
        file = self.files[side]
        return file.nearest(self.question, limit, allowed) if file else NOTHING


def write_cells(directory: Path, vectors: Vectors, bounds: Integers) -> None:
    """Write both inverted files. `vectors` and `bounds`: as of `VectorFile`."""
    (directory / CELLS).mkdir()
    energy, rotation = principal_axes(vectors[:: -(-len(vectors) // SAMPLE)])
    save_arrays(directory / CELLS / AXES, rotation=rotation)
    head = head_of(energy)
    for kind, side in enumerate(SIDES):
        counts = bounds[:, kind + 1] - bounds[:, kind]
        entries = np.repeat(np.arange(len(bounds)), counts)
        if len(entries):
            firsts = np.repeat(bounds[:, kind] - np.cumsum(counts) + counts, counts)
            places = firsts + np.arange(len(entries))
            write_inverted_file(directory / CELLS / side, vectors, places, entries, rotation, head)


def principal_axes(vectors: Vectors) -> tuple[Floats, Vectors]:
    """The energy of vectors along each of their principal axes, (dimension,), the greatest first, and the axes,
    (dimension, dimension), a column each."""
    energy, axes = np.linalg.eigh(vectors.T @ vectors)
    return energy[::-1].astype(np.float64), np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)


def head_of(energy: Floats) -> int:
    """How many of the first coordinates have ENERGY of all energy, in steps of STEP; less than all coordinates."""
    count = int(np.searchsorted(np.cumsum(energy), ENERGY * energy.sum())) + 1
    return min(-(-count // STEP) * STEP, len(energy) - 1)
