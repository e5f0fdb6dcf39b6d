"""An inverted index in memory: for each word the entries that hold it, to compute BM25 of all entries at once.

postings.npz   words (n,) uint32, their hashes, ascending; starts (n + 1,) int64, where the entries of each begin;
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
    """Collects the words of entries, and writes the file at the end."""

    def __init__(self) -> None:
        self._words: list[NDArray[np.uint32]] = []
        self._weights: list[NDArray[np.float32]] = []

    def add(self, document: Sparse) -> None:
        """Add the words of the next entry."""
        self._words.append(np.array(document.indices, dtype=np.uint32))
        self._weights.append(np.array(document.values, dtype=np.float32))

    def write(self, directory: Path) -> None:
        """Write the file. At least one entry must have been added."""
        counts = [len(words) for words in self._words]
        all_words = np.concatenate(self._words)
        order = np.argsort(all_words, kind="stable")
        words, starts, occurrences = np.unique(all_words[order], return_index=True, return_counts=True)
        idfs = np.array([idf(len(counts), count) for count in occurrences.tolist()], dtype=np.float32)
        np.savez(
            directory / POSTINGS,
            words=words,
            starts=np.append(starts, len(all_words)),
            entries=np.repeat(np.arange(len(counts), dtype=np.int32), counts)[order],
            weights=np.concatenate(self._weights)[order] * np.repeat(idfs, occurrences),
        )


class Postings:
    """The file, read into memory."""

    def __init__(self, directory: Path, entries: int) -> None:
        """Raises IndexUnavailable where the file cannot be read."""
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
        wanted = np.array(question.indices, dtype=np.uint32)
        places = np.minimum(np.searchsorted(self._words, wanted), len(self._words) - 1)
        for place in places[self._words[places] == wanted].tolist() if len(self._words) else ():
            of_word = slice(self._starts[place], self._starts[place + 1])
            scores[self._entries[of_word]] += self._weights[of_word]  # no entry is there twice
        return scores
