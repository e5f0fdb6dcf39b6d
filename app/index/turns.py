"""Answers together what is asked together."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Turns(Generic[Asked, Answer]):
    """One call for all that is asked in a turn of the event loop, such as questions that were encoded together."""

    def __init__(self, answered: Callable[[list[Asked]], Awaitable[list[Answer]]], limit: int) -> None:
        """`answered`: the answer to each; `limit`: of one call."""
        self._answered = answered
        self._limit = limit
        self._waiting: tuple[list[Asked], asyncio.Task[list[Answer]]] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """The answer, or the error of the call. Others go on waiting for a call whose first caller is cancelled."""
        if self._waiting is None or len(self._waiting[0]) >= self._limit:
            together: list[Asked] = []
            self._waiting = together, asyncio.create_task(self._call(together))
            self._waiting[1].add_done_callback(_looked_at)
        together, task = self._waiting
        position = len(together)
        together.append(asked)
        return (await asyncio.shield(task))[position]

    async def _call(self, together: list[Asked]) -> list[Answer]:
        if self._waiting and self._waiting[0] is together:
            self._waiting = None
        return await self._answered(together)


def _looked_at(task: "asyncio.Task[list[Answer]]") -> None:
    """Keep asyncio from logging the error of a call whose callers were all cancelled."""
    if not task.cancelled():
        task.exception()
