"""The vectors of all entries in one file, which is memory-mapped: reading an entry's vectors copies nothing.

vectors.f32   rows of float32, entry by entry: the windows of the answer, the phrasings, the negatives
rows.npy      (entries, 4) int64: the row at which each of the three begins, and the row after the entry's last
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.arrays import Vectors
from app.errors import IndexUnavailable
from app.index.candidates import Candidate
from app.index.nearness import Near, best_of_groups

VECTORS, ROWS = "vectors.f32", "rows.npy"


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
        """Finish both files and flush them to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        with (self.directory / ROWS).open("wb") as file:
            np.save(file, np.array(self._rows, dtype=np.int64).reshape(-1, 4))
            file.flush()
            os.fsync(file.fileno())


class VectorFile:
    """Both files, open for reading. `vectors` is (rows, dimension), `bounds` the content of rows.npy."""

    def __init__(self, directory: Path, entries: int, dimension: int) -> None:
        """Raises IndexUnavailable where a file cannot be read or the two do not fit together."""
        try:
            self.bounds: NDArray[np.int64] = np.load(directory / ROWS, allow_pickle=False)
            shape = (int(self.bounds[-1, 3]) if len(self.bounds) else 0, dimension)
            if self.bounds.shape != (entries, 4) or (directory / VECTORS).stat().st_size != 4 * shape[0] * dimension:
                raise ValueError("they do not fit together")
            self.vectors: Vectors = np.empty(shape, dtype=np.float32)
            if shape[0]:  # an empty file cannot be mapped
                self.vectors = np.asarray(np.memmap(directory / VECTORS, np.float32, "r", shape=shape))
        except (OSError, ValueError, IndexError) as error:
            raise IndexUnavailable(f"The release {directory.name} is damaged: its vectors: {error}") from error

    def blocks(self, rows: int) -> Iterator[Vectors]:
        """All vectors, `rows` at a time."""
        return (self.vectors[start : start + rows] for start in range(0, len(self.vectors), rows))

    def nearness(self, entries: Sequence[int], question: Vectors) -> list[Near]:
        """How near the vectors of entries are to a question, (dimension,), in the order of `entries`, at least one."""
        bounds = self.bounds[entries]  # (entries, 4)
        sizes = bounds[:, 3] - bounds[:, 0]
        ends = np.cumsum(sizes)
        rows = np.arange(ends[-1]) + np.repeat(bounds[:, 0] - ends + sizes, sizes)
        best, which = best_of_groups(self.vectors[rows] @ question, np.diff(bounds).ravel())
        matched = which[1::3].tolist()
        return list(map(Near, best[::3].tolist(), best[1::3].tolist(), best[2::3].tolist(), matched))

    def read(self, entry: int) -> tuple[Vectors, Vectors, Vectors]:
        """The answer's windows, the phrasings and the negatives of an entry, (n, dimension) each."""
        answer, questions, negatives, end = self.bounds[entry].tolist()
        vectors = self.vectors
        return vectors[answer:questions], vectors[questions:negatives], vectors[negatives:end]
