"""What a question finds, best first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.arrays import Flags, Floats, Integers
from app.index.hits import Payload, Source

ROW = np.dtype(
    [
        ("number", np.int64),
        ("answer", np.int64),
        ("score", np.float64),
        ("confidence", np.float64),
        ("trust", np.float64),
        ("matched", np.int32),
        ("held", np.int32),
        ("exact", np.bool_),
    ]
)


class RankedEntry(NamedTuple):
    """An entry with its score and confidence. `matched`: index of the best phrasing, None for a passage."""

    payload: Payload
    score: float
    confidence: float
    matched: int | None
    exact: bool
    trust: float  # as `Features.trust`

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.payload["id"])


@dataclass(frozen=True, slots=True)
class Ranked:
    """Entries with scores and confidences, best first. Iterating reads the payloads.

    `rows`: (n,) of the type ROW. `unanswerable`: the probability that nothing answers the question; 0 where it is
    unknown or an exact match exists.
    """

    source: Source
    rows: NDArray[np.void]
    unanswerable: float = 0.0
    reranked: bool = False

    @classmethod
    def of(
        cls,
        source: Source,
        numbers: Integers,
        answers: Integers,
        scores: Floats,
        confidences: Floats,
        matched: Integers,
        exact: Flags,
        held: Integers,
        trust: Floats,
        unanswerable: float,
    ) -> Self:
        """Of columns, (n,) each, best first; see the properties."""
        rows = np.empty(len(numbers), dtype=ROW)
        rows["number"], rows["answer"], rows["score"], rows["confidence"] = numbers, answers, scores, confidences
        rows["trust"], rows["matched"], rows["held"], rows["exact"] = trust, matched, held, exact
        return cls(source, rows, unanswerable)

    def __len__(self) -> int:
        """The number of entries."""
        return len(self.rows)

    def __iter__(self) -> Iterator[RankedEntry]:
        """The entries, best first."""
        matched = [None if number < 0 else number for number in self.matched.tolist()]
        columns = self.scores.tolist(), self.confidences.tolist(), matched, self.exact.tolist(), self.trust.tolist()
        return map(RankedEntry, self.payloads(), *columns)

    def take(self, places: Integers | slice | list[int]) -> "Ranked":
        """The entries at these places, in this order."""
        return Ranked(self.source, self.rows[places], self.unanswerable, self.reranked)  # `replace` is slower

    def with_confidences(self, confidences: Floats) -> "Ranked":
        """The entries with other confidences, (n,)."""
        rows = self.rows.copy()
        rows["confidence"] = confidences
        return replace(self, rows=rows)

    def kept(self) -> tuple["Ranked", int]:
        """The same for a cache, and the bytes of memory that it takes; see `Source.kept`."""
        source, held = self.source.kept(self.numbers.tolist())
        return replace(self, source=source), self.rows.nbytes + held

    def payloads(self) -> list[Payload]:
        """The payload of each entry."""
        return self.source.payloads(self.numbers.tolist())

    def ids(self) -> list[str]:
        """The id of each entry."""
        return [payload["id"] for payload in self.payloads()]

    @property
    def numbers(self) -> Integers:
        """What `source` knows the entries by, (n,)."""
        return self._column("number")

    @property
    def answers(self) -> Integers:
        """Entries with the same answer have the same, (n,)."""
        return self._column("answer")

    @property
    def scores(self) -> Floats:
        """Higher is better, (n,)."""
        return self._column("score")

    @property
    def confidences(self) -> Floats:
        """The probability that each entry answers the question, (n,)."""
        return self._column("confidence")

    @property
    def trust(self) -> Floats:
        """As `Features.trust`, (n,)."""
        return self._column("trust")

    @property
    def matched(self) -> Integers:
        """Index of the best phrasing, -1 for a passage, (n,)."""
        return self._column("matched")

    @property
    def held(self) -> Integers:
        """How many of the question's identifiers each entry holds, (n,)."""
        return self._column("held")

    @property
    def exact(self) -> Flags:
        """Whether a phrasing is the question itself, (n,)."""
        return self._column("exact")

    def _column(self, name: str) -> NDArray[Any]:
        return self.rows[name]
