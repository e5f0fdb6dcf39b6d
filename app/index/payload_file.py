"""The payloads of all entries in one file. A small one is memory-mapped, a large one is read; see `index.vector_file`.

payloads.jsonl   one JSON object a line, in the order of the entries
lines.npy        (entries + 1,) int64: the byte at which each line begins, and the end of the file
"""

import mmap
import os
import weakref
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

from app.errors import IndexUnavailable
from app.index.vector_file import MAPPED_BYTES

PAYLOADS, LINES = "payloads.jsonl", "lines.npy"


class PayloadFileWriter:
    """Writes both files, batch by batch. Finishes with the `with` block."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = (directory / PAYLOADS).open("wb")
        self._starts = array("q", [0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, payloads: Iterable[Mapping[str, Any]]) -> None:
        """Append the payloads of the next entries."""
        for payload in payloads:
            line = to_json(payload) + b"\n"
            self._file.write(line)
            self._starts.append(self._starts[-1] + len(line))

    def close(self) -> None:
        """Finish both files."""
        self._file.close()
        np.save(self._directory / LINES, np.array(self._starts, dtype=np.int64))


class PayloadFile:
    """Both files, open for reading. Several threads may read, without a lock."""

    def __init__(self, directory: Path, entries: int) -> None:
        """Raises IndexUnavailable where a file cannot be read or the two do not fit together."""
        self._name = directory.name
        try:
            starts: NDArray[np.int64] = np.asarray(np.load(directory / LINES, mmap_mode="r", allow_pickle=False))
            self._descriptor = os.open(directory / PAYLOADS, os.O_RDONLY)
            weakref.finalize(self, os.close, self._descriptor)
            size = os.fstat(self._descriptor).st_size
            if starts.shape != (entries + 1,) or starts[-1] != size:
                raise ValueError("they do not fit together")
            self._starts = memoryview(starts)  # type: ignore[arg-type]  # gives one number sooner than the array
            mapped = 0 < size <= MAPPED_BYTES  # an empty file cannot be mapped
            self._map = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ) if mapped else None
        except (OSError, ValueError) as error:
            raise IndexUnavailable(f"The release {self._name} is damaged: its payloads: {error}") from error

    def read(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """The payloads of entries, in the order of `numbers`. Raises IndexUnavailable where one cannot be read."""
        starts = self._starts
        try:
            lines = [self._line(starts[number], starts[number + 1]) for number in numbers]
            return [from_json(line, cache_strings="keys") for line in lines]
        except (OSError, ValueError) as error:
            raise IndexUnavailable(f"The payloads of the release {self._name} cannot be read: {error}") from error

    def _line(self, start: int, end: int) -> bytes:
        if self._map is not None:
            return self._map[start:end]
        return os.pread(self._descriptor, end - start, start)
