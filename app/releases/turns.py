"""Whose turn it is to build or switch: an update, which takes seconds, is waited for; a longer job is not."""

import math
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
ENDING_S = 2.0  # for an update whose job has ended to release the lock

T = TypeVar("T")


@contextmanager
def writing(home: Path, database: Database) -> Iterator[lock.Check]:
    """`lock.writer`, for which an update that is under way is waited for. Raises Busy, StoreError."""
    with ExitStack() as stack:
        yield patient(Jobs(database), lambda: stack.enter_context(lock.writer(home, database)))


def patient(jobs: Jobs, begin: Callable[[], T]) -> T:
    """What `begin` returns, tried again while an update is under way. Raises Busy, StoreError."""
    deadline, seen = time.monotonic() + UPDATE_S, -math.inf
    while True:
        if jobs.is_under_way(UPDATE):
            seen = time.monotonic()
        try:
            return begin()
        except Busy:
            now = time.monotonic()
            if jobs.is_under_way(UPDATE):
                seen = now
            if now > deadline or now - seen > ENDING_S:
                raise
        time.sleep(0.1)
