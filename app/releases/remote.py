"""What a worker process has of the upkeep of releases: the parent builds them, and both talk over a socket.

Each message is a line of JSON. A worker process sends `edited`, and `run` with the id of a job that it queued. The
parent sends what its updater knows. The end of the socket is the end of the process at the other side.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from app.jobs.jobs import Job, Jobs
from app.knowledge.store import Store
from app.releases.turns import REINDEX
from app.releases.updater import Awaited, Followed, Mode, Seen, awaited
from app.releases.worker import queued

Message = dict[str, Any]


class Channel:
    """One side of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, connected: socket.socket) -> "Channel":
        """The side of a connected socket."""
        return cls(*await asyncio.open_connection(sock=connected))

    def send(self, **message: object) -> None:
        """Send a message; one to a process that has ended is lost."""
        with suppress(ConnectionError):
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def receive(self, receive: Callable[[Message], None]) -> None:
        """Pass on each message until the other side ends."""
        with suppress(ConnectionError):
            while (line := await self._reader.readline()).endswith(b"\n"):
                receive(json.loads(line))

    def close(self) -> None:
        """Close this side."""
        self._writer.close()


class Parent:
    """The parent's worker and updater, as `app.releases.worker.Starter` and `app.releases.updater.Updates`."""

    def __init__(self, channel: Channel, mode: Mode, store: Store, live: Followed, jobs: Jobs) -> None:
        self.mode = mode
        self.failure: str | None = None
        self._channel, self._store, self._live, self._jobs = channel, store, live, jobs
        self._seen = Seen(None, None)
        self._loop = asyncio.get_running_loop()

    async def listen(self) -> None:
        """Keep what the parent says until it ends."""
        await self._channel.receive(self._learn)

    async def start(self, kind: str = REINDEX) -> Job:
        """As `Starter.start`."""
        job = await queued(self._jobs, kind)
        self._channel.send(run=job.job_id)
        return job

    def notify(self) -> None:
        """As `Updates.notify`."""
        self._loop.call_soon_threadsafe(lambda: self._channel.send(edited=True))

    def awaited(self) -> Awaited:
        """As `Updates.awaited`."""
        return awaited(self._store, self._live, self._seen)

    def _learn(self, message: Message) -> None:
        self.failure = message["failure"]
        release, at = message["seen"]
        self._seen = Seen(release, datetime.fromisoformat(at) if at else None)


def known(failure: str | None, seen: Seen) -> Message:
    """The message that tells worker processes what the updater knows."""
    return {"failure": failure, "seen": [seen.release, seen.at.isoformat() if seen.at else None]}
