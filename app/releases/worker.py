"""The service's side of the warm worker: starts the process, hands it jobs, and ends it.

The process runs at low priority, so that building does not slow down answering, and a crash of it does not stop the
service: the job has failed, and the next one starts another process.
"""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from typing import Protocol, cast

import stamina

from app.errors import StoreError
from app.jobs.jobs import Job, Jobs
from app.jobs.table import LEASE_S
from app.releases.turns import REINDEX, patient
from app.settings import Settings

NICENESS = "10"
ENDING_S = 5.0  # for a process without output to end by itself
IDLE_S = 600.0  # without a job for so long, the process ends and gives back its memory
Process = asyncio.subprocess.Process


class Starter(Protocol):
    """Starts jobs, perhaps in another process."""

    async def start(self, kind: str = REINDEX) -> Job:
        """Queue a job and start it. Raises Busy naming the one under way; a reindex waits for an update first."""


async def queued(jobs: Jobs, kind: str) -> Job:
    """A new job in the queue. Raises Busy naming the one under way; a reindex waits for an update first."""
    if kind == REINDEX:
        return await asyncio.to_thread(patient, jobs, lambda: jobs.queue(kind))
    return await asyncio.to_thread(jobs.queue, kind)


class Worker:
    """Runs jobs in a process of its own, which starts with the first job and ends with the service."""

    def __init__(self, settings: Settings, jobs: Jobs, idle_s: float = IDLE_S) -> None:
        """`idle_s`: seconds after which the process ends where there is no job."""
        self._settings = settings
        self._jobs = jobs
        self._idle_s = idle_s
        self._process: Process | None = None
        self._turn = asyncio.Lock()  # a job that was canceled may still wind down when the next one begins
        self._running: dict[str, asyncio.Task[None]] = {}
        self._idle: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[int]] = set()

    async def start(self, kind: str = REINDEX) -> Job:
        """Queue a job and start it. Raises Busy naming the one under way; a reindex waits for an update first."""
        job = await queued(self._jobs, kind)
        self.run(job.job_id)
        return job

    def run(self, job_id: str) -> None:
        """Start a job that is queued."""
        task = asyncio.create_task(self._run(job_id))
        self._running[job_id] = task
        task.add_done_callback(lambda _: self._running.pop(job_id, None))

    async def ended(self, job_id: str) -> None:
        """Wait until a job that was started here has ended."""
        if task := self._running.get(job_id):
            await asyncio.wait([task])

    async def close(self) -> None:
        """Stop the process; a release that it has not activated is dropped."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._idle:
            self._idle.cancel()
        self._retire()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _run(self, job_id: str) -> None:
        """Have the process run the job; the job has failed if the process ends."""
        try:
            async with self._turn:
                failure = await self._answer(job_id)
                self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._retire)
        except OSError as error:
            failure = f"The worker could not be started: {error}"
        except asyncio.CancelledError:
            failure = f"The service was stopped; the worker ended with exit status {await self._stop()}."
            await asyncio.to_thread(self._jobs.fail, job_id, failure)
            return
        if failure:  # a worker that is still able to write its reason has done so
            await self._fail(job_id, failure)

    async def _fail(self, job_id: str, failure: str) -> None:
        """Mark a job as failed once the database can be written: until then, or its lease ends, no other job begins."""
        with suppress(StoreError):
            async for attempt in stamina.retry_context(StoreError, attempts=None, timeout=LEASE_S, wait_max=2.0):
                with attempt:
                    await asyncio.to_thread(self._jobs.mark_failed, job_id, failure)

    async def _answer(self, job_id: str) -> str:
        """What the process says of the job: nothing, or why it failed. Raises OSError where it cannot be started."""
        if self._idle:
            self._idle.cancel()
        given, answers = await self._started()
        with suppress(ConnectionError):  # it has ended; the end of its output says so too
            given.write(f"{job_id}\n".encode())
            await given.drain()
        answer = await answers.readline()
        if answer.endswith(b"\n"):
            return answer.decode().strip()
        return f"The worker ended with exit status {await self._ended()}."

    async def _started(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        """The input and the output of the process: the one that is there, or a new one."""
        if self._process is None or self._process.returncode is not None:
            command = ("nice", "-n", NICENESS, sys.executable, "-m", "app.releases.warm")
            environment = {**os.environ, **self._settings.environment()}
            self._process = await asyncio.create_subprocess_exec(
                *command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        return cast(asyncio.StreamWriter, self._process.stdin), cast(asyncio.StreamReader, self._process.stdout)

    async def _ended(self) -> int | None:
        """The exit status of the process, which has closed its output."""
        if self._process:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), ENDING_S)
        return await self._stop()

    async def _stop(self) -> int | None:
        """End the process; its exit status, None where there is no process."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        return await process.wait()

    def _retire(self) -> None:
        """Let the process end, which has nothing to do."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        task = asyncio.create_task(process.wait())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
