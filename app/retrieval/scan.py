"""Exact search of a small index, in memory: the questions that wait are compared with all vectors in one product.

A product of eight questions reads the vectors once instead of eight times, and reading them is what it costs.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.retrieval.ranking import Vectors

BATCH = 8  # questions in one product

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Side:
    """All vectors of one kind, (vectors, dimension), and which entries they are of, in the order of the entries."""

    vectors: Vectors
    starts: Places  # of each entry's vectors, (entries that have any,)
    entries: Places  # (entries that have any,)

    @classmethod
    def of(cls, vectors: Sequence[Vectors]) -> Self:
        """Of each entry's vectors, (n, dimension) each, n possibly 0."""
        counts = np.array([len(one) for one in vectors])
        entries = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[entries]
        return cls(
            np.concatenate([one for one in vectors if len(one)] or [np.empty((0, 1), np.float32)]), starts, entries
        )

    def nearest(self, questions: Vectors, limits: Sequence[int]) -> list[set[int]]:
        """The places of the entries nearest to each question by their best vector; as many as its limit says."""
        if not len(self.entries):
            return [set() for _ in limits]
        scores = questions @ self.vectors.T  # (questions, vectors)
        if len(self.entries) < len(self.vectors):
            scores = np.maximum.reduceat(scores, self.starts, axis=1)  # (questions, entries)
        return [self._top(row, limit) for row, limit in zip(scores, limits, strict=True)]

    def _top(self, scores: Vectors, limit: int) -> set[int]:
        if limit >= len(scores):
            return set(self.entries.tolist())
        return set(self.entries[np.argpartition(scores, -limit)[-limit:]].tolist())


class Scan:
    """Several sides of the same entries, searched on a thread of the caller's, from one event loop."""

    def __init__(self, sides: Sequence[Side], thread: Executor) -> None:
        self._sides = sides
        self._thread = thread
        self._line: deque[tuple[Vectors, int, asyncio.Future[list[int]]]] = deque()
        self._busy = False

    async def search(self, question: Vectors, limit: int) -> list[int]:
        """The places of the `limit` nearest entries by each side, together; `question` is (dimension,)."""
        found: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._line.append((question, limit, found))
        self._next()
        return await found

    def _next(self) -> None:
        """Compare those that wait, unless a comparison is under way."""
        batch: list[tuple[Vectors, int, asyncio.Future[list[int]]]] = []
        while self._line and not self._busy and len(batch) < BATCH:
            if not (one := self._line.popleft())[2].done():  # its caller has not gone
                batch.append(one)
        if batch:
            self._busy = True
            questions, limits = np.stack([one[0] for one in batch]), [one[1] for one in batch]
            work = asyncio.get_running_loop().run_in_executor(self._thread, self.nearest, questions, limits)
            work.add_done_callback(partial(self._finished, [one[2] for one in batch]))

    def _finished(self, waiting: Sequence[asyncio.Future[list[int]]], work: asyncio.Future[list[list[int]]]) -> None:
        self._busy = False
        for number, one in enumerate(waiting):
            if one.done():
                continue
            if error := work.exception():
                one.set_exception(error)
            else:
                one.set_result(work.result()[number])
        self._next()

    def nearest(self, questions: Vectors, limits: Sequence[int]) -> list[list[int]]:
        """For each question, (questions, dimension), the places of its nearest entries by any side, in order."""
        found = [side.nearest(questions, limits) for side in self._sides]
        return [sorted(set().union(*one)) for one in zip(*found, strict=True)]
