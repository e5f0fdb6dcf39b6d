"""Exact search in memory: the same entries as by comparing one by one, whatever waits together."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from app.retrieval.ranking import Vectors
from app.retrieval.scan import BATCH, Scan, Side

pytestmark = pytest.mark.anyio
RANDOM = np.random.default_rng(0)


def vectors(counts: list[int]) -> list[Vectors]:
    return [RANDOM.standard_normal((count, 16), dtype=np.float32) for count in counts]


def best(side: list[Vectors], question: Vectors, limit: int) -> set[int]:
    scores = {place: (one @ question).max() for place, one in enumerate(side) if len(one)}
    return set(sorted(scores, key=lambda place: -scores[place])[:limit])


@pytest.mark.parametrize("counts", [[1] * 30, [1, 0, 3, 2, 0] * 6, [0] * 30, [2] + [0] * 28 + [1]])
async def test_finds_what_comparing_one_by_one_finds(counts: list[int]) -> None:
    answers, questions = vectors([1] * 30), vectors(counts)
    with ThreadPoolExecutor(1) as thread:
        scan = Scan([Side.of(answers), Side.of(questions)], thread)
        asked = RANDOM.standard_normal((25, 16), dtype=np.float32)
        limits = [(3, 10, 50)[i % 3] for i in range(25)]
        found = await asyncio.gather(*(scan.search(one, limit) for one, limit in zip(asked, limits, strict=True)))
    for places, question, limit in zip(found, asked, limits, strict=True):
        assert places == sorted(best(answers, question, limit) | best(questions, question, limit))


async def test_those_who_wait_are_compared_together_and_those_who_left_are_not() -> None:
    sizes: list[int] = []
    gate = Event()

    class Counted(Scan):
        def nearest(self, questions: Vectors, limits: object) -> list[list[int]]:
            sizes.append(len(questions))
            assert gate.wait(10)
            return super().nearest(questions, limits)  # type: ignore[arg-type]

    with ThreadPoolExecutor(1) as thread:
        scan = Counted([Side.of(vectors([1] * 5))], thread)
        asked = RANDOM.standard_normal((2 + BATCH + 3, 16), dtype=np.float32)
        tasks = [asyncio.create_task(scan.search(one, 2)) for one in asked]
        await asyncio.sleep(0.05)
        tasks[1].cancel()
        await asyncio.sleep(0)
        gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert sizes == [1, BATCH, 3]
    assert sum(isinstance(one, asyncio.CancelledError) for one in found) == 1


async def test_an_error_reaches_those_who_asked() -> None:
    with ThreadPoolExecutor(1) as thread:
        scan = Scan([Side.of(vectors([1] * 5))], thread)
        with pytest.raises(ValueError, match="mismatch"):
            await scan.search(np.zeros(3, dtype=np.float32), 2)
        assert len(await scan.search(np.ones(16, dtype=np.float32), 2)) == 2
