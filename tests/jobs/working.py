"""Work of a job that goes on until somebody ends the job."""

import itertools
import time

from app.jobs.jobs import Work
from tests.waiting import PATIENCE_S


def work_on(work: Work) -> None:
    """Report progress until the job is ended. Raises Canceled once the worker has noticed that."""
    deadline = time.monotonic() + PATIENCE_S
    for done in itertools.count():
        assert time.monotonic() < deadline, "the worker does not notice that its job was ended"
        work.report(done, done + 1)
        time.sleep(0.02)
