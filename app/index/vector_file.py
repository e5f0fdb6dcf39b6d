"""The vectors of all entries in one file. A small one is memory-mapped: reading an entry's vectors copies nothing.

A large one is read. Every page of it that a process maps and touches would count as its memory, in the end all of them.

vectors.f32   rows of float32, entry by entry: the windows of the answer, the phrasings, the negatives
rows.npy      (entries, 4) int64: the row at which each of the three begins, and the row after the entry's last
"""

import os
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.arrays import Integers, Vectors
from app.errors import IndexUnavailable
from app.index.candidates import Candidate
from app.index.nearness import Nearness

VECTORS, ROWS = "vectors.f32", "rows.npy"
MAPPED_BYTES = 160 * 2**20  # of a file that is memory-mapped


class VectorFileWriter:
    """Writes both files, batch by batch. Finishes with the `with` block."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._file = (directory / VECTORS).open("wb")
        self._rows: list[tuple[int, int, int, int]] = []
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """The number of vectors added so far."""
        return self._end

    def add(self, batch: Iterable[Candidate]) -> None:
        """Append the vectors of the next entries."""
        for entry in batch:
            starts = [self._end]
            for vectors in (entry.answer, entry.questions, entry.negatives):
                self._file.write(np.ascontiguousarray(vectors, dtype=np.float32).tobytes())
                starts.append(starts[-1] + len(vectors))
            self._end = starts[-1]
            self._rows.append((starts[0], starts[1], starts[2], starts[3]))

    def close(self) -> None:
        """Finish both files."""
        self._file.close()
        np.save(self.directory / ROWS, np.array(self._rows, dtype=np.int64).reshape(-1, 4))


def map_vectors(directory: Path, dimension: int) -> tuple[Vectors, NDArray[np.int64]]:
    """Both files, memory-mapped: the vectors, (rows, dimension), and the bounds, (entries, 4).

    Raises OSError, ValueError where they cannot be read or do not fit together.
    """
    bounds: NDArray[np.int64] = np.asarray(np.load(directory / ROWS, mmap_mode="r", allow_pickle=False))
    shape = (int(bounds[-1, 3]) if len(bounds) else 0, dimension)
    if bounds.shape[1:] != (4,) or (directory / VECTORS).stat().st_size != 4 * shape[0] * dimension:
        raise ValueError("they do not fit together")
    if not shape[0]:  # an empty file cannot be mapped
        return np.empty(shape, dtype=np.float32), bounds
    return np.asarray(np.memmap(directory / VECTORS, np.float32, "r", shape=shape)), bounds


class VectorFile:
    """Both files, open for reading. `bounds`: the content of rows.npy; `mapped`: whether the vectors are."""

    def __init__(self, directory: Path, entries: int, dimension: int) -> None:
        """Raises IndexUnavailable where a file cannot be read or the two do not fit together."""
        self._name = directory.name
        try:
            self._vectors, self.bounds = map_vectors(directory, dimension)
            if len(self.bounds) != entries:
                raise ValueError("they do not fit together")
            self._descriptor = os.open(directory / VECTORS, os.O_RDONLY)
        except (OSError, ValueError, IndexError) as error:
            raise IndexUnavailable(f"The release {directory.name} is damaged: its vectors: {error}") from error
        weakref.finalize(self, os.close, self._descriptor)
        self.mapped = self._vectors.nbytes <= MAPPED_BYTES

    def blocks(self, rows: int) -> Iterator[Vectors]:
        """All vectors, `rows` at a time."""
        count = len(self._vectors)
        return (self._rows(start, min(start + rows, count)) for start in range(0, count, rows))

    def nearness(self, entries: Integers, question: Vectors) -> Nearness:
        """How near the vectors of entries are to a question, (dimension,), in the order of `entries`."""
        bounds = self.bounds[entries]  # (entries, 4)
        return Nearness.of(self._gathered(bounds), bounds[:, 1:] - bounds[:, :3], question)

    def read(self, entry: int) -> tuple[Vectors, Vectors, Vectors]:
        """The answer's windows, the phrasings and the negatives of an entry, (n, dimension) each."""
        answer, questions, negatives, end = self.bounds[entry].tolist()
        vectors = self._rows(answer, end)
        return (
            vectors[: questions - answer],
            vectors[questions - answer : negatives - answer],
            vectors[negatives - answer :],
        )

    def _gathered(self, bounds: Integers) -> Vectors:
        """All vectors of entries with these bounds, one entry after the other."""
        if not self.mapped:
            blocks = [self._rows(start, end) for start, end in bounds[:, ::3].tolist()]
            return np.concatenate([self._vectors[:0], *blocks])
        sizes = bounds[:, 3] - bounds[:, 0]
        ends = sizes.cumsum()
        total = int(ends[-1]) if len(ends) else 0
        rows: Vectors = self._vectors[np.arange(total) + (bounds[:, 0] - ends + sizes).repeat(sizes)]
        return rows

    def _rows(self, start: int, end: int) -> Vectors:
        if self.mapped:
            return self._vectors[start:end]
        width = self._vectors.strides[0]
        try:
            data = os.pread(self._descriptor, (end - start) * width, start * width)
            return np.frombuffer(data, dtype=np.float32).reshape(end - start, self._vectors.shape[1])
        except (OSError, ValueError) as error:
            raise IndexUnavailable(f"The vectors of the release {self._name} cannot be read: {error}") from error
