"""Whose turn it is to build or switch: an update, which takes seconds, is waited for; a longer job is not."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from app.errors import Busy
from app.jobs import lock
from app.jobs.jobs import Jobs
from app.knowledge.database import Database

REINDEX, UPDATE = "reindex", "update"  # the kinds of jobs
UPDATE_S = 20.0  # an update is waited for so long

T = TypeVar("T")


@contextmanager
def writing(home: Path, database: Database) -> Iterator[lock.Check]:
    """`lock.writer`, for which an update that is under way is waited for. Raises Busy, StoreError."""
    with ExitStack() as stack:
        yield patient(Jobs(database), lambda: stack.enter_context(lock.writer(home, database)))


def patient(jobs: Jobs, begin: Callable[[], T]) -> T:
    """What `begin` returns, tried again while an update is under way. Raises Busy, StoreError."""
    deadline = time.monotonic() + UPDATE_S
    while True:
        try:
            return begin()
        except Busy:
            if time.monotonic() > deadline or not jobs.is_under_way(UPDATE):
                raise
        time.sleep(0.1)
