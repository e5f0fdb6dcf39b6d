"""What is asked in one turn of the event loop is one call."""

import asyncio

import pytest

from app.index.turns import Turns

pytestmark = pytest.mark.anyio


class Doubling:
    """Doubles numbers, and notes which were asked together."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.going = asyncio.Event()
        self.going.set()

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.calls.append(list(numbers))
        await self.going.wait()
        if 13 in numbers:
            raise ValueError("unlucky")
        return [2 * number for number in numbers]


async def test_a_turn_is_a_call_of_limited_size() -> None:
    doubling = Doubling()
    turns: Turns[int, int] = Turns(doubling, 3)
    assert await asyncio.gather(*map(turns.ask, range(7))) == [0, 2, 4, 6, 8, 10, 12]
    assert await turns.ask(7) == 14
    assert doubling.calls == [[0, 1, 2], [3, 4, 5], [6], [7]]


async def test_a_caller_that_is_cancelled_does_not_end_the_call_of_the_others() -> None:
    doubling = Doubling()
    doubling.going.clear()
    turns: Turns[int, int] = Turns(doubling, 3)
    first, second = (asyncio.create_task(turns.ask(number)) for number in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    doubling.going.set()
    assert await second == 4
    assert first.cancelled()


async def test_the_error_of_a_call_is_that_of_all_its_callers_and_of_no_other() -> None:
    turns: Turns[int, int] = Turns(Doubling(), 2)
    results = await asyncio.gather(*map(turns.ask, (12, 13, 14)), return_exceptions=True)
    assert [str(result) for result in results] == ["unlucky", "unlucky", "28"]
