"""An inverted index of words: for each word the entries that hold it, to compute BM25 of all entries at once.

postings/words.npy    (words,) uint32, their hashes, ascending
postings/starts.npy   (words + 1,) int64, where the entries of each word begin
postings/entries.npy  (occurrences,) int32
postings/weights.npy  (occurrences,) float32, inverse document frequencies multiplied in
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.index.array_files import map_arrays, save_arrays
from app.index.document_words import DocumentWords, Frequencies
from app.index.words import Sparse

POSTINGS = "postings"
ARRAYS = ("words", "starts", "entries", "weights")


@dataclass(frozen=True)
class Postings:
    """The arrays of the files, and the number of entries."""

    words: NDArray[np.uint32]
    starts: NDArray[np.int64]
    entries: NDArray[np.int32]
    weights: NDArray[np.float32]
    count: int

    @classmethod
    def of(cls, documents: DocumentWords, frequencies: Frequencies) -> Self:
        """The postings of entries with these words."""
        order = np.argsort(documents.words, kind="stable")
        words, starts, occurrences = np.unique(documents.words[order], return_index=True, return_counts=True)
        count = len(documents.counts)
        return cls(
            words=words,
            starts=np.append(starts, len(documents.words)),
            entries=np.repeat(np.arange(count, dtype=np.int32), documents.counts)[order],
            weights=documents.weights[order] * np.repeat(frequencies.idf(words), occurrences),
            count=count,
        )

    def save(self, directory: Path) -> None:
        """Write the files."""
        save_arrays(directory / POSTINGS, **{name: getattr(self, name) for name in ARRAYS})

    @classmethod
    def open(cls, directory: Path, entries: int) -> Self:
        """Map the files. Raises IndexUnavailable where one is missing or damaged."""
        words, starts, numbers, weights = map_arrays(directory / POSTINGS, ARRAYS)
        return cls(words, starts, numbers, weights, entries)

    def scores(self, question: Sparse) -> NDArray[np.float32]:
        """BM25 of every entry, (entries,)."""
        scores = np.zeros(self.count, dtype=np.float32)
        if not len(self.words):
            return scores
        wanted = np.array(question.indices, dtype=np.uint32)
        places = np.minimum(np.searchsorted(self.words, wanted), len(self.words) - 1)
        for place in places[self.words[places] == wanted].tolist():
            of_word = slice(self.starts[place], self.starts[place + 1])
            np.add.at(scores, self.entries[of_word], self.weights[of_word])
        return scores
