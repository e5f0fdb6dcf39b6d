"""Exact semantic scores of all entries for blocks of questions, each text encoded once.

`app.ranking.ranking` scores the candidates of one question, also by their words. A test asserts that both give the same
scores where the weight of words is 0.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.arrays import Integers, Vectors
from app.knowledge.entry import Entry
from app.text.normalize import normalize

BLOCK_CELLS = 2_000_000  # the largest score matrix in memory: questions x (windows or phrasings)

Cosines = NDArray[np.float32]


class Encodes(Protocol):
    """An encoder of texts: a bundle's, or a model in training."""

    @property
    def two_sided(self) -> bool:
        """Whether questions and answers have encoders of their own."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension)."""

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (windows, dimension)."""


@dataclass(frozen=True)
class Similarities:
    """Cosines of a block of questions with each entry's best answer window and best phrasing, (questions, entries)."""

    answer: Cosines
    phrasing: Cosines  # -inf where the entry has no phrasing
    removed: int  # how many of the questions are themselves a phrasing in the index

    def scores(self, question_weight: float) -> Cosines:
        """The service's scores if words count nothing, (questions, entries)."""
        phrasing = np.where(np.isfinite(self.phrasing), self.phrasing, self.answer)
        return question_weight * phrasing + (1 - question_weight) * self.answer


class Corpus:
    """The entries of an index, in the order of their ids, and their vectors."""

    def __init__(self, entries: Sequence[Entry], encoder: Encodes) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.id)
        windows = encoder.encode_documents([entry.plain_answer for entry in self.entries])
        self._windows: Vectors = np.concatenate(windows)  # (all windows, dimension)
        self._window_starts = _starts([len(vectors) for vectors in windows])
        counts = [len(entry.phrasings) for entry in self.entries]
        self._phrased = np.flatnonzero(counts)  # positions of the entries with phrasings
        self._phrasing_starts = _starts([count for count in counts if count])
        texts = [text for entry in self.entries for text in entry.phrasings]
        self._phrasings: Vectors = encoder.encode_queries(texts)  # (all phrasings, dimension)
        self._columns: dict[str, list[int]] = defaultdict(list)
        for column, text in enumerate(texts):
            self._columns[normalize(text)].append(column)

    def __len__(self) -> int:
        return len(self.entries)

    def blocks(self, questions: Vectors, texts: Sequence[str]) -> Iterator[tuple[slice, Similarities]]:
        """Blocks of questions: their rows and similarities. `questions` are the vectors, (n, dimension), of `texts`.

        Ignores a phrasing that is the question itself.
        """
        size = max(1, BLOCK_CELLS // max(1, len(self._windows), len(self._phrasings)))
        for start in range(0, len(texts), size):
            rows = slice(start, min(start + size, len(texts)))
            yield rows, self._similarities(questions[rows], texts[rows])

    def _similarities(self, questions: Vectors, texts: Sequence[str]) -> Similarities:
        answer = np.maximum.reduceat(questions @ self._windows.T, self._window_starts, axis=1)
        phrasing = np.full((len(texts), len(self)), -np.inf, dtype=np.float32)
        removed = 0
        if len(self._phrased):
            cosines = questions @ self._phrasings.T  # (questions, all phrasings)
            for row, text in enumerate(texts):
                own = self._columns.get(normalize(text), [])
                cosines[row, own] = -np.inf
                removed += bool(own)
            phrasing[:, self._phrased] = np.maximum.reduceat(cosines, self._phrasing_starts, axis=1)
        return Similarities(answer, phrasing, removed)


def _starts(counts: Sequence[int]) -> Integers:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])[:-1].astype(np.int64)


def numbered(texts: Sequence[str]) -> Integers:
    """A number for each text, (n,), equal for equal texts."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(text, len(first)) for text in texts], dtype=np.int64)
