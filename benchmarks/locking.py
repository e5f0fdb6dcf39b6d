"""Counts the acquisitions of the writer's lock that are refused while another process looks for jobs without a pause.

    python -m benchmarks.locking [--times N]

On SQLite, and on PostgreSQL where there is an `initdb`. Nobody else writes, so every refusal is wrong. Prints one line
a database.
"""

import argparse
import multiprocessing
import tempfile
import time
from contextlib import ExitStack
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from app.errors import Busy
from app.jobs import lock
from app.jobs.jobs import Jobs
from app.knowledge.database import Database
from tests import postgres

PAUSE_S = 0.001  # between two acquisitions


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2000)
    times = parser.parse_args().times
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {"SQLite": f"sqlite:///{home / 'knowledge.db'}"}
        try:
            urls["PostgreSQL"] = stack.enter_context(stack.enter_context(postgres.server()).database())
        except pytest.skip.Exception as reason:
            print(reason)
        for name, url in urls.items():
            refused, looks = measured(home, url, times)
            print(f"{name}: {refused} of {times:,} acquisitions refused, during {looks:,} looks")


def measured(home: Path, url: str, times: int) -> tuple[int, int]:
    """How many acquisitions were refused, and how often the other process looked meanwhile."""
    context = multiprocessing.get_context("spawn")
    ready, stop, looks = context.Event(), context.Event(), context.Value("q", 0)
    process = context.Process(target=look, args=(url, ready, stop, looks))
    process.start()
    ready.wait()
    database, refused = Database.open(url), 0
    for _ in range(times):
        try:
            with lock.writer(home, database):
                pass
        except Busy:
            refused += 1
        time.sleep(PAUSE_S)
    stop.set()
    process.join()
    database.close()
    return refused, looks.value


def look(url: str, ready: Event, stop: Event, looks: "multiprocessing.sharedctypes.Synchronized[int]") -> None:
    """Queue a job and cancel it: what a replica does that is asked to reindex."""
    database = Database.open(url)
    jobs = Jobs(database)
    while not stop.is_set():
        jobs.cancel(jobs.queue("reindex").job_id)
        looks.value += 1
        ready.set()
    database.close()


if __name__ == "__main__":
    main()
