"""A knowledge encoded once, and scored by meaning alone for many questions at a time: all entries, exactly.

`retrieval.ranking` scores one question's candidates, by their words too. A test holds both to the same scores where
words count nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.knowledge.entry import Entry
from app.retrieval.normalize import normalize
from app.retrieval.ranking import Vectors

BLOCK_CELLS = 2_000_000  # of a score matrix held at a time: questions x (windows or phrasings)

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class Encodes(Protocol):
    """What makes vectors of texts: a bundle's encoder, or a model under training."""

    @property
    def two_sided(self) -> bool:
        """Whether questions and answers are encoded differently."""

    def questions(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension)."""

    def answers(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (windows, dimension)."""


@dataclass(frozen=True)
class Similarities:
    """Of one block of questions: to the answers' best windows and to the best phrasings, both (questions, entries)."""

    answer: Floats
    phrasing: Floats  # -inf where the entry has no phrasing (left)
    removed: int  # how many questions stood in the index as a phrasing

    def scores(self, question_weight: float) -> Floats:
        """What the service ranks by where words count nothing, (questions, entries)."""
        has = np.isfinite(self.phrasing)
        combined = question_weight * np.where(has, self.phrasing, 0) + (1 - question_weight) * self.answer
        return np.where(has, combined, self.answer)


class Corpus:
    """All entries of an index, in the order of their ids, and their vectors."""

    def __init__(self, entries: Sequence[Entry], encoder: Encodes) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.id)
        windows = encoder.answers([entry.plain_answer for entry in self.entries])
        self._windows: Vectors = np.concatenate(windows)  # (all windows, dimension)
        self._window_starts = _starts([len(one) for one in windows])
        counts = [len(entry.phrasings) for entry in self.entries]
        self._phrased = np.flatnonzero(counts)  # the entries that have phrasings
        self._phrasing_starts = _starts([count for count in counts if count])
        texts = [text for entry in self.entries for text in entry.phrasings]
        self._phrasings: Vectors = encoder.questions(texts)  # (all phrasings, dimension)
        self._columns: dict[str, list[int]] = defaultdict(list)
        for column, text in enumerate(texts):
            self._columns[normalize(text)].append(column)

    def __len__(self) -> int:
        return len(self.entries)

    def blocks(self, questions: Vectors, texts: Sequence[str]) -> Iterator[tuple[slice, Similarities]]:
        """The similarities of (n, dimension) questions, block by block; `texts` are theirs.

        A phrasing that is the question itself is left out for that question.
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
            found = questions @ self._phrasings.T  # (questions, all phrasings)
            for row, text in enumerate(texts):
                own = self._columns.get(normalize(text), [])
                found[row, own] = -np.inf
                removed += bool(own)
            phrasing[:, self._phrased] = np.maximum.reduceat(found, self._phrasing_starts, axis=1)
        return Similarities(answer, phrasing, removed)


def _starts(counts: Sequence[int]) -> Integers:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])[:-1].astype(np.int64)


def numbered(texts: Sequence[str]) -> Integers:
    """A number for each text, (n,), the same for the same text."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(text, len(first)) for text in texts], dtype=np.int64)
