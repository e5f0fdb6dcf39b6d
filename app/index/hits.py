"""What a search finds, as columns. Payloads and vectors are read only where they are needed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Protocol, Self

import numpy as np

from app.arrays import Floats, Integers, Vectors
from app.index.candidates import Candidate
from app.index.lookup import Match
from app.index.memory import memory_bytes
from app.index.nearness import Nearness
from app.index.words import answer_of

Payload = dict[str, Any]
ENTRY_BYTES = 250  # of an entry in memory beside its payload
NO_VECTORS: Vectors = np.empty((0, 0), dtype=np.float32)


class Source(Protocol):
    """Where entries are read, by their numbers. Several threads may read."""

    def payloads(self, numbers: Sequence[int]) -> list[Payload]:
        """The payloads of entries, in the order of `numbers`. Raises IndexUnavailable."""

    def entries(self, numbers: Sequence[int]) -> list[Candidate]:
        """Entries with their vectors, in the order of `numbers`. Raises IndexUnavailable."""

    def kept(self, numbers: Sequence[int]) -> tuple["Source", int]:
        """Where a cache reads these entries without their vectors, and the bytes of memory that this takes."""


@dataclass(frozen=True, slots=True)
class Hits:
    """The entries that a search found, in no order; arrays are (n,) each.

    `matches`: how the lookup keys of entries match those of the question, by their places in the columns; without the
    entries none of whose keys match.
    """

    source: Source
    numbers: Integers  # what `source` knows the entries by
    answers: Integers  # of `answer_key`: entries with the same answer have the same
    nearness: Nearness
    lexical: Floats  # BM25
    matches: Mapping[int, Match]

    def __len__(self) -> int:
        """The number of entries."""
        return len(self.numbers)

    @classmethod
    def of(cls, entries: Sequence[Candidate], question: Vectors, lexical: Floats, matches: Mapping[int, Match]) -> Self:
        """Of entries in memory. `question`: (dimension,); `lexical`: the BM25 score of each, (n,)."""
        numbers, answers = np.arange(len(entries)), answer_keys(entry.payload for entry in entries)
        return cls(Entries(entries), numbers, answers, nearness_of(entries, question), lexical, matches)

    @property
    def excluded(self) -> Integers:
        """The places of the entries that a negative excludes."""
        return np.array([place for place, match in self.matches.items() if match.excluded], dtype=np.int64)

    def without(self, places: Integers) -> Self:
        """The entries but those at these places."""
        return self.take(np.delete(np.arange(len(self)), places))

    def take(self, places: Integers) -> Self:
        """The entries at these places, in this order."""
        where = {place: new for new, place in enumerate(places.tolist())} if self.matches else {}
        return replace(
            self,
            numbers=self.numbers[places],
            answers=self.answers[places],
            nearness=self.nearness.take(places),
            lexical=self.lexical[places],
            matches={where[place]: match for place, match in self.matches.items() if place in where},
        )

    def joined(self, other: "Hits") -> "Hits":
        """These entries, and then others. All are read once, so join few."""
        first = len(self)
        return Hits(
            Entries([*self, *other]),
            np.arange(first + len(other)),
            np.concatenate([self.answers, other.answers]),
            self.nearness.joined(other.nearness),
            np.concatenate([self.lexical, other.lexical]),
            {**self.matches, **{first + place: match for place, match in other.matches.items()}},
        )

    def payloads(self) -> list[Payload]:
        """The payload of each entry."""
        return self.source.payloads(self.numbers.tolist())

    def __iter__(self) -> Iterator[Candidate]:
        """The entries with their vectors, which are read."""
        return iter(self.source.entries(self.numbers.tolist()))

    def ids(self) -> list[str]:
        """The id of each entry."""
        return [payload["id"] for payload in self.payloads()]


class Entries:
    """Entries in memory, numbered from 0 if they are a sequence; see `Source`."""

    def __init__(self, entries: Sequence[Candidate] | Mapping[int, Candidate]) -> None:
        self._entries = entries

    @classmethod
    def without_vectors(cls, payloads: Mapping[int, Payload]) -> tuple[Self, int]:
        """Entries of these payloads by their numbers, and the bytes of memory that they take."""
        entries = {
            number: Candidate(payload["id"], payload, NO_VECTORS, NO_VECTORS, NO_VECTORS)
            for number, payload in payloads.items()
        }
        return cls(entries), len(entries) * ENTRY_BYTES + sum(map(memory_bytes, payloads.values()))

    def payloads(self, numbers: Sequence[int]) -> list[Payload]:
        """As `Source.payloads`."""
        return [self._entries[number].payload for number in numbers]

    def entries(self, numbers: Sequence[int]) -> list[Candidate]:
        """As `Source.entries`."""
        return [self._entries[number] for number in numbers]

    def kept(self, numbers: Sequence[int]) -> tuple[Source, int]:
        """As `Source.kept`."""
        return self.without_vectors(dict(zip(numbers, self.payloads(numbers), strict=True)))


def answer_key(payload: Mapping[str, Any]) -> int:
    """A hash of an entry's answer, as it is ranked."""
    return int.from_bytes(blake2b(answer_of(payload).encode(), digest_size=8).digest(), signed=True)


def answer_keys(payloads: Iterable[Mapping[str, Any]]) -> Integers:
    """`answer_key` of each, (n,)."""
    return np.fromiter(map(answer_key, payloads), dtype=np.int64)


def nearness_of(entries: Sequence[Candidate], question: Vectors) -> Nearness:
    """How near entries in memory are to a question, (dimension,)."""
    groups = [vectors for entry in entries for vectors in (entry.answer, entry.questions, entry.negatives)]
    sizes = np.array([len(group) for group in groups], dtype=np.int64).reshape(-1, 3)
    return Nearness.of(np.concatenate([question[None][:0], *groups]), sizes, question)
