"""Keeps a running job's row up to date while the work goes on. Knows no SQL."""

import logging
import threading
import time
from collections.abc import Callable

from app.errors import StoreError

REPORT_EVERY_S = 0.3  # progress is written at most so often
HEARTBEAT_S = 2.0  # and the lease is renewed at least so often
Beat = Callable[[int, int], bool]  # done, total; False when the job is not running any more; raises StoreError

logger = logging.getLogger(__name__)


class Heartbeat:
    """A thread that calls `beat` with the latest progress. The work never waits for the database: what cannot be
    written is skipped, and the next beat tries again. Runs within the `with` block."""

    def __init__(self, beat: Beat) -> None:
        self.done, self.total = 0, 0
        self.ended = False  # somebody ended the job: the work is to stop
        self._beat = beat
        self._stopped = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        written, at = (0, 0), time.monotonic()
        while not self._stopped.wait(REPORT_EVERY_S) and not self.ended:
            progress = self.done, self.total
            due = progress != written or time.monotonic() - at >= HEARTBEAT_S
            if due and self._write(*progress):
                written, at = progress, time.monotonic()

    def _write(self, done: int, total: int) -> bool:
        try:
            self.ended = not self._beat(done, total)
        except StoreError as error:
            if not self._failing:
                logger.warning("A job's progress is not written, the work goes on: %s", error)
            self._failing = True
        else:
            self._failing = False
        return not self._failing
