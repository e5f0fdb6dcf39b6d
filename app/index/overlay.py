"""The increments of a release as one small index in memory, above the publish that they extend."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from app.arrays import Flags, Integers, Vectors
from app.batches import batches
from app.index.candidates import Candidate
from app.index.document_words import DocumentWords, Frequencies
from app.index.filters import Filter, matches
from app.index.hits import answer_keys
from app.index.increment import Increment
from app.index.lookup import Lookup, Match, QuestionKeys
from app.index.packed import Packed
from app.index.postings import Postings
from app.index.protocol import IndexRecord
from app.index.scan import Searched

BLOCK = 1_024  # entries whose vectors are quantised at a time


class Base(Protocol):
    """The publish below an overlay, of either index."""

    @property
    def record(self) -> IndexRecord:
        """Of the publish."""

    @property
    def frequencies(self) -> Frequencies:
        """Of the words in its entries."""


class Overlay:
    """The entries that the increments leave, numbered after the base's, and the base's entries that they hide.

    That of a publish is empty.
    """

    def __init__(self, base: Base, increments: Sequence[Increment] = ()) -> None:
        """`increments`: all of the line up to the release, oldest first. Raises IndexUnavailable."""
        self.increments = tuple(increments)
        self.first = base.record.entries
        kept = _kept(increments)
        pairs = list(zip(increments, kept, strict=True))
        self.entries = [
            entry for increment, of_it in pairs for entry, keep in zip(increment.entries, of_it, strict=True) if keep
        ]
        self.hidden = frozenset(number for increment in increments for number in increment.changes.hidden)
        self.numbers = {entry.id: number for number, entry in enumerate(self.entries, start=self.first)}
        self.answers = answer_keys(entry.payload for entry in self.entries)
        renumbered = _renumbered(kept, self.first)
        self._lookup = Lookup.joined(zip((increment.lookup for increment in increments), renumbered, strict=True))
        self.searched: Searched | None = None  # None without entries
        if self.entries:
            words = DocumentWords.joined([increment.words.kept(of_it) for increment, of_it in pairs])
            postings = Postings.of(words, base.frequencies)
            self.searched = Searched(Packed(_bounds(self.entries), _blocks(self.entries)), postings)

    def read(self, numbers: Iterable[int]) -> list[Candidate]:
        """Entries by their numbers, in the order of `numbers`."""
        return [self.entries[number - self.first] for number in numbers]

    def find(self, wanted: QuestionKeys) -> dict[int, Match]:
        """As `Lookup.find`."""
        return self._lookup.find(wanted)

    def meeting(self, where: Filter) -> Flags:
        """Whether each entry meets a filter, (entries,)."""
        return np.array([matches(where, entry.payload["metadata"]) for entry in self.entries], dtype=bool)


def _kept(increments: Sequence[Increment]) -> list[Flags]:
    """For each increment which of its entries no later one replaces or removes, (entries,)."""
    later: set[str] = set()
    kept = []
    for increment in reversed(increments):
        kept.append(np.array([entry.id not in later for entry in increment.entries], dtype=bool))
        later.update(increment.changes.digests, increment.changes.removed)
    return kept[::-1]


def _renumbered(kept: Sequence[Flags], first: int) -> Iterator[Integers]:
    """For each increment the numbers of its entries, from `first` on; -1 for one that is not kept."""
    for of_increment in kept:
        numbers = np.full(len(of_increment), -1, dtype=np.int64)
        numbers[of_increment] = np.arange(first, first + of_increment.sum())
        first += int(of_increment.sum())
        yield numbers


def _bounds(entries: Sequence[Candidate]) -> Integers:
    """As `VectorFile.bounds`, of these entries one after the other."""
    sizes = [(len(entry.answer), len(entry.questions), len(entry.negatives)) for entry in entries]
    ends = np.cumsum(np.array(sizes, dtype=np.int64).ravel()).reshape(-1, 3)
    starts = np.concatenate([[0], ends[:-1, 2]])
    return np.column_stack([starts, ends])


def _blocks(entries: Sequence[Candidate]) -> Iterator[Vectors]:
    for batch in batches(entries, BLOCK):
        yield np.concatenate([rows for entry in batch for rows in (entry.answer, entry.questions, entry.negatives)])
