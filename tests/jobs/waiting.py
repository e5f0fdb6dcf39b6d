"""Waiting for what another thread does."""

import time
from collections.abc import Callable

from app.jobs.jobs import Work


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def work_on(work: Work) -> None:
    """Report until the job is stopped."""
    for done in range(500):
        work.report(done, 1000)
        time.sleep(0.02)
