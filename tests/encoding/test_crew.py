"""Threads that work for an event loop."""

import asyncio
import gc
import threading

import pytest

from app.encoding.crew import Crew

pytestmark = pytest.mark.anyio


def of_name(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


async def test_results_and_errors_come_back_on_the_event_loop() -> None:
    crew, results, loop_thread = Crew(2, "tested"), list[object](), threading.get_ident()
    arrived = asyncio.Event()

    def note(result: object) -> None:
        assert threading.get_ident() == loop_thread
        results.append(result)
        if len(results) == 2:
            arrived.set()

    crew.run(lambda: threading.get_ident(), note)
    crew.run(lambda: 1 / 0, note)
    await asyncio.wait_for(arrived.wait(), 10)
    assert any(isinstance(result, ZeroDivisionError) for result in results)
    assert any(isinstance(result, int) and result != loop_thread for result in results)
    crew.close()
    crew.close()
    assert not of_name("tested")


async def test_the_threads_of_a_crew_that_nobody_uses_end() -> None:
    crew = Crew(2, "forgotten")
    threads = of_name("forgotten")
    assert len(threads) == 2
    del crew
    gc.collect()
    for thread in threads:
        thread.join(10)
    assert not of_name("forgotten")
