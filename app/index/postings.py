"""For each word the entries that it stands in: BM25 of all entries at once, in memory.

postings.npz   words (n,) uint32, their hashes in order; starts (n + 1,) int64, where each one's entries begin;
               entries (m,) int32; weights (m,) float32, inverse document frequencies multiplied in
"""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import IndexUnavailable
from app.index.words import Sparse, idf

POSTINGS = "postings.npz"


class PostingsWriter:
    """Gathers the words of entries, and writes the file at the end."""

    def __init__(self) -> None:
        self._words: list[NDArray[np.uint32]] = []
        self._weights: list[NDArray[np.float32]] = []

    def add(self, document: Sparse) -> None:
        """The words of the next entry."""
        self._words.append(np.array(document.indices, dtype=np.uint32))
        self._weights.append(np.array(document.values, dtype=np.float32))

    def write(self, directory: Path) -> None:
        """The file, of at least one entry."""
        counts = [len(one) for one in self._words]
        found = np.concatenate(self._words)
        order = np.argsort(found, kind="stable")
        words, starts, occurrences = np.unique(found[order], return_index=True, return_counts=True)
        rare = np.array([idf(len(counts), count) for count in occurrences.tolist()], dtype=np.float32)
        np.savez(
            directory / POSTINGS,
            words=words,
            starts=np.append(starts, len(found)),
            entries=np.repeat(np.arange(len(counts), dtype=np.int32), counts)[order],
            weights=np.concatenate(self._weights)[order] * np.repeat(rare, occurrences),
        )


class Postings:
    """The file, read."""

    def __init__(self, directory: Path, entries: int) -> None:
        """Raises IndexUnavailable where it is not what was written."""
        self._count = entries
        try:
            with (directory / POSTINGS).open("rb") as opened:
                file = np.load(opened, allow_pickle=False)
                self._words: NDArray[np.uint32] = file["words"]
                self._starts: list[int] = file["starts"].tolist()
                self._entries: NDArray[np.int32] = file["entries"]
                self._weights: NDArray[np.float32] = file["weights"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise IndexUnavailable(f"The release {directory.name} is damaged: its words: {error}") from error

    def scores(self, question: Sparse) -> NDArray[np.float32]:
        """BM25 of every entry, (entries,)."""
        scores = np.zeros(self._count, dtype=np.float32)
        asked = np.array(question.indices, dtype=np.uint32)
        places = np.minimum(np.searchsorted(self._words, asked), len(self._words) - 1)
        for place in places[self._words[places] == asked].tolist() if len(self._words) else ():
            of_word = slice(self._starts[place], self._starts[place + 1])
            scores[self._entries[of_word]] += self._weights[of_word]  # an entry stands there once
        return scores
