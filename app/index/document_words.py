"""The words of documents, and in how many documents each word occurs.

words.npz        of an increment: `DocumentWords`, in the order of its entries
frequencies.npz  of a publish: `Frequencies` of its entries, which its increments use too
"""

import zipfile
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.errors import IndexUnavailable
from app.index.words import Sparse

WORDS, FREQUENCIES = "words.npz", "frequencies.npz"


class DocumentWords(NamedTuple):
    """The hashes of words and their weights, (words,), document by document, and the counts of these, (documents,)."""

    words: NDArray[np.uint32]
    weights: NDArray[np.float32]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, documents: Iterable[Sparse]) -> Self:
        """The words of these documents."""
        pairs = [
            (np.array(document.indices, dtype=np.uint32), np.array(document.values, dtype=np.float32))
            for document in documents
        ]
        words = np.concatenate([np.empty(0, dtype=np.uint32), *(words for words, _ in pairs)])
        weights = np.concatenate([np.empty(0, dtype=np.float32), *(weights for _, weights in pairs)])
        return cls(words, weights, np.array([len(words) for words, _ in pairs], dtype=np.int64))

    @classmethod
    def joined(cls, parts: Sequence["DocumentWords"]) -> Self:
        """The documents of at least one part, in order."""
        words, weights, counts = zip(*parts, strict=True)
        return cls(np.concatenate(words), np.concatenate(weights), np.concatenate(counts))

    def kept(self, documents: NDArray[np.bool_]) -> "DocumentWords":
        """The documents for which `documents`, (documents,), is true."""
        of_kept = np.repeat(documents, self.counts)
        return DocumentWords(self.words[of_kept], self.weights[of_kept], self.counts[documents])

    def save(self, directory: Path) -> None:
        """Write words.npz."""
        np.savez(directory / WORDS, words=self.words, weights=self.weights, counts=self.counts)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read words.npz. Raises IndexUnavailable where it cannot be read."""
        return cls(*read_arrays(directory, WORDS, cls._fields))


class Frequencies(NamedTuple):
    """In how many of `texts` documents each word occurs: hashes, ascending, and counts, (words,) each."""

    words: NDArray[np.uint32]
    counts: NDArray[np.int64]
    texts: NDArray[np.int64]  # ()

    @classmethod
    def of(cls, documents: DocumentWords) -> Self:
        """Count the words of these documents; none of them holds a word twice."""
        words, counts = np.unique(documents.words, return_counts=True)
        return cls(words, counts, np.array(len(documents.counts), dtype=np.int64))

    def idf(self, words: NDArray[np.uint32]) -> NDArray[np.float32]:
        """The inverse document frequencies of words, (n,); also of words that occur in no document."""
        places = np.minimum(np.searchsorted(self.words, words), max(0, len(self.words) - 1))
        counts = np.zeros(len(words), dtype=np.int64)
        if len(self.words):
            counts = np.where(self.words[places] == words, self.counts[places], 0)
        return np.asarray(np.log((self.texts - counts + 0.5) / (counts + 0.5) + 1), dtype=np.float32)

    def save(self, directory: Path) -> None:
        """Write frequencies.npz."""
        np.savez(directory / FREQUENCIES, words=self.words, counts=self.counts, texts=self.texts)

    def to_text(self) -> str:
        """All of it as one text, for an index that stores no files."""
        file = BytesIO()
        np.savez_compressed(file, words=self.words, counts=self.counts, texts=self.texts)
        return b64encode(file.getvalue()).decode()

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The inverse of `to_text`. Raises ValueError for any other text."""
        try:
            file = np.load(BytesIO(b64decode(text)), allow_pickle=False)
            return cls(*(file[field] for field in cls._fields))
        except (KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(str(error)) from error

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read frequencies.npz. Raises IndexUnavailable where it cannot be read."""
        return cls(*read_arrays(directory, FREQUENCIES, cls._fields))


def read_arrays(directory: Path, name: str, fields: Sequence[str]) -> list[NDArray[Any]]:
    """Arrays of an .npz file, by name. Raises IndexUnavailable, naming the release, where it cannot be read."""
    try:
        with (directory / name).open("rb") as opened:
            file = np.load(opened, allow_pickle=False)
            return [file[field] for field in fields]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its words: {error}") from error
