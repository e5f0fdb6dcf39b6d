"""What the lint keeps of each entry: beginnings, hashes and 8-bit vectors of its texts, a fraction of the entry."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from app.arrays import Vectors
from app.knowledge.entry import Entry
from app.lint.neighbours import Integers8, Places, quantised
from app.text.normalize import normalize

SHORT = 2 * 120  # characters that are kept of a text
_NUMBER = re.compile(r"\d+")


class TextEncoder(Protocol):
    """Texts to vectors, as `releases.vector_cache.CachedEncoder` does."""

    @property
    def dimension(self) -> int:
        """Of the vectors."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32."""

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (windows, dimension) float32."""


class Text(NamedTuple):
    """A text of an entry: its owner's number, its beginning, and hashes of its normal form and of its numbers."""

    owner: int
    short: str
    same: int
    numbers: int

    def may_equal(self, other: "Text") -> bool:
        """Whether both have the same numbers: texts about product 4 and product 5 are near, and not alike."""
        return self.numbers == other.numbers


def text_of(owner: int, text: str) -> Text:
    """What is kept of a text."""
    return Text(owner, text[:SHORT], hash(normalize(text)), numbers_of(text))


def numbers_of(text: str) -> int:
    """A hash of the set of numbers in a text."""
    return hash(frozenset(_NUMBER.findall(text)))


class Corpus:
    """All entries that the lint looks at, in order. `vectors` of phrasings and answers are empty without an encoder."""

    def __init__(self, encoder: TextEncoder | None = None) -> None:
        self.ids: list[str] = []
        self.answers: list[Text] = []
        self.phrasings: list[Text] = []
        self._encoder = encoder
        self._answers: list[Integers8] = []
        self._phrasings: list[Integers8] = []

    def add(self, entries: Sequence[Entry]) -> None:
        """Add the next entries, with their vectors."""
        answers = [entry.plain_answer for entry in entries]
        first = len(self.ids)
        self.ids += [entry.id for entry in entries]
        self.answers += [text_of(owner, answer) for owner, answer in enumerate(answers, first)]
        self.phrasings += [
            text_of(owner, text) for owner, entry in enumerate(entries, first) for text in entry.phrasings
        ]
        if self._encoder is not None:
            documents = self._encoder.encode_documents(answers)
            self._answers.append(quantised(np.stack([windows.mean(axis=0) for windows in documents])))
            if phrasings := [text for entry in entries for text in entry.phrasings]:
                self._phrasings.append(quantised(self._encoder.encode_queries(phrasings)))

    @property
    def answer_vectors(self) -> Integers8:
        """(entries, dimension): the mean of each answer's windows."""
        return _joined(self._answers)

    @property
    def phrasing_vectors(self) -> Integers8:
        """(phrasings, dimension)."""
        return _joined(self._phrasings)

    @property
    def owners(self) -> Places:
        """(phrasings,): the number of each phrasing's entry, ascending."""
        return np.array([text.owner for text in self.phrasings], dtype=np.int64)


def _joined(blocks: Iterable[NDArray[np.int8]]) -> Integers8:
    kept = list(blocks)
    return np.concatenate(kept) if kept else np.empty((0, 1), dtype=np.int8)
