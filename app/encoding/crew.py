"""Threads that work for an event loop. A job costs a fifth of one of an executor, which makes two futures for it."""

import asyncio
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

from app.threads import named

Job = tuple[Callable[[], Any], Callable[[Any], object], asyncio.AbstractEventLoop]
Jobs = SimpleQueue[Job | None]


class Crew:
    """Threads of one name. They end when it is closed or no longer used."""

    def __init__(self, count: int, name: str) -> None:
        """`name`: as `top -H` shows it."""
        self._jobs: Jobs = SimpleQueue()
        self._threads = [Thread(target=_work, args=(self._jobs, name), name=name, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()
        weakref.finalize(self, _stop, self._jobs, count)

    def run(self, work: Callable[[], Any], done: Callable[[Any], object]) -> None:
        """Run `work` on a thread, then `done` on the running event loop, with its result or with what it raised."""
        self._jobs.put((work, done, asyncio.get_running_loop()))

    def close(self) -> None:
        """Wait until the running jobs are done; idempotent. Blocks."""
        _stop(self._jobs, len(self._threads))
        for thread in self._threads:
            thread.join()


def _stop(jobs: Jobs, count: int) -> None:
    for _ in range(count):
        jobs.put(None)


def _work(jobs: Jobs, name: str) -> None:
    named(name)()
    while job := jobs.get():
        work, done, loop = job
        result: Any
        try:
            result = work()
        except BaseException as error:  # whoever waits gets it, as from a future
            result = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(done, result)
        del job, work, done, loop, result  # an idle thread holds nothing
