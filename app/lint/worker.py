"""The lint for the service: a process at low priority, whose latest report is kept.

Comparing thousands of entries takes seconds of processor time, which askers should not wait for. The report is made
again when an entry or the release changed, or after an hour, because entries also expire.
"""

import asyncio
import os
import sys
import time
from typing import NamedTuple

from app.errors import StoreError
from app.lint.report import Report
from app.settings import Settings

NICENESS = "10"
KEPT_S = 3600.0


class State(NamedTuple):
    """What a report depends on: the entries, as `Store.stamp` names their state, and the active release."""

    entries: str
    release: str | None


class LintReports:
    """The latest report. Requests for the same state wait for one process."""

    def __init__(self) -> None:
        self._state: State | None = None
        self._made = 0.0
        self._report: asyncio.Task[Report] | None = None

    async def report(self, settings: Settings, state: State) -> Report:
        """The report of this state; a caller that goes away does not stop it. Raises StoreError if it fails."""
        while self._state != state and self._report is not None and not self._report.done():
            await asyncio.wait([self._report])  # of an earlier state; one process at a time
        if self._state != state or self._report is None or self._is_over(self._report):
            self._report = asyncio.create_task(_linted(settings))
            self._state, self._made = state, time.monotonic()
        return await asyncio.shield(self._report)

    def _is_over(self, report: asyncio.Task[Report]) -> bool:
        """Whether a report failed or is too old."""
        if not report.done():
            return False
        return report.cancelled() or report.exception() is not None or time.monotonic() - self._made > KEPT_S

    async def close(self) -> None:
        """Stop the process that runs."""
        if self._report is not None and not self._report.done():
            self._report.cancel()
            await asyncio.gather(self._report, return_exceptions=True)


async def _linted(settings: Settings) -> Report:
    """The report of a process of its own, which is killed if this is cancelled."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *("nice", "-n", NICENESS, sys.executable, "-m", "app", "lint", "--json"),
        env={**os.environ, **settings.environment()},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
    )
    try:
        written, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        reason = complaints.decode(errors="replace").strip().rpartition("\n")[2] or f"exit status {process.returncode}"
        raise StoreError(f"The entries could not be checked: {reason}")
    return await asyncio.to_thread(Report.of_json, written)
