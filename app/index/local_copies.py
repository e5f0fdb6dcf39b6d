"""Copies of a Qdrant server's releases on this machine, which answer with the code of the embedded index.

copies/<slot>/        an embedded index, of one process: the releases that it serves, with the increments they need
copies/<slot>.lock    held by that process

A release is read from the server once, and later only the increments that it does not have yet. While the server is
away, the copies answer, also after a restart; what is missed are switches.
"""

import asyncio
import fcntl
import os
import time
from itertools import chain, count
from pathlib import Path
from weakref import WeakSet

from app.errors import FaqError, IndexUnavailable
from app.index.download import Download
from app.index.embedded import EmbeddedStore
from app.index.protocol import Index, IndexRecord
from app.index.release import EmbeddedIndex
from app.index.server import ServerStore

TIDY_S = 60.0  # after which a copy that was replaced is deleted; longer than any request


class LocalCopies:
    """Opens releases of `server`, as copies where they are small enough."""

    def __init__(self, server: ServerStore, directory: Path, limit: int) -> None:
        """`limit`: the largest number of vectors of a publish that is copied."""
        self._server = server
        self._limit = limit
        directory.mkdir(parents=True, exist_ok=True)
        slot, self._lock = _slot(directory)
        self._copies = EmbeddedStore(slot)
        self._tidy_at: float | None = None
        self._opened: WeakSet[EmbeddedIndex] = WeakSet()  # those that are in use
        self._marked: str | None = None  # the release that the pointer of the copies names
        self._active: str | None = None  # the server's active release when it answered last
        self._asks_server = False  # whether the release that was opened last has no copy

    def close(self) -> None:
        """Let another process have the slot."""
        os.close(self._lock)

    async def active(self) -> str | None:
        """The name of the server's active release; of the newest active one with a copy while the server is away.

        Raises IndexUnavailable where no copy is known to be as new as the release that was opened last.
        """
        await self._tidy()
        try:
            self._active = (await self._server.pointer())[0]
        except IndexUnavailable:
            if await self._mark():
                return self._active
            copied = None if self._asks_server else await self._copied()
            if copied is None:
                raise
            return copied
        await self._mark()
        return self._active

    async def _mark(self) -> bool:
        """Have the pointer of the copies name the active release; whether that has a copy."""
        if self._active and self._active != self._marked and self._active in await self._copies.names():
            await self._copies.activate(self._active)
            self._marked, self._tidy_at = self._active, time.monotonic() + TIDY_S
        return self._active is not None and self._active == self._marked

    async def open(self, name: str, *, at_once: bool = False) -> Index:
        """As `IndexStore.open`."""
        try:
            download = await self._server.download(name)
            self._asks_server = download is None or not await self._fits(download)
            if download is None or self._asks_server:
                return await self._server.open(name)
            await self._copy(download)
            if calibration := await self._server.calibration(name):
                await self._copies.calibrate(name, calibration)
        except IndexUnavailable:
            if name not in await self._copies.names():
                raise
        index = await self._copies.open(name, at_once=at_once)
        self._opened.add(index)
        if await self._copied() is None:  # the first copy of all; later ones are marked once they are active
            await self._copies.activate(name)
        return index

    async def _fits(self, download: Download) -> bool:
        vectors = await download.vectors()
        return vectors is not None and vectors <= self._limit

    async def _copy(self, download: Download) -> None:
        """Add what is missing of a line of releases. A copy that is damaged is made again."""
        held = {record.name: record for record in await self._copies.records()}
        kept = [record for record in download.line if held.get(record.name) == record]
        if kept and not await self._is_whole(kept[-1]):
            kept = []
        for record in reversed(download.line[len(kept) :]):
            await self._copies.drop(record.name)
        for parent, record in zip([None, *download.line], download.line, strict=False):
            if record not in kept:
                await self._add(download, record, parent)

    async def _is_whole(self, record: IndexRecord) -> bool:
        try:
            await (await self._copies.open(record.name)).close()
        except FaqError:
            return False
        return True

    async def _add(self, download: Download, record: IndexRecord, parent: IndexRecord | None) -> None:
        if parent is None:
            await self._copies.build(record, download.batches(record))
            return
        entries = await asyncio.to_thread(lambda: list(chain.from_iterable(download.batches(record))))
        ended = await asyncio.to_thread(download.ended, record)
        removed = ended.difference(entry.id for entry in entries)
        await self._copies.extend(record, parent.name, [entries], removed)

    async def _copied(self) -> str | None:
        """The copy that was opened last, or None."""
        try:
            return (await self._copies.pointer())[0]
        except IndexUnavailable:  # a damaged pointer
            return None

    async def _tidy(self) -> None:
        """Some time after a switch, delete the copies that neither the active release needs nor one that is in use."""
        if self._tidy_at is None or time.monotonic() < self._tidy_at:
            return
        records = await self._copies.records()
        used = [index.record for index in self._opened]
        used += [record for record in records if record.name == self._marked]
        for record in sorted(records, key=lambda record: -record.increment):
            if not any(_is_needed(record, current) for current in used):
                await self._copies.drop(record.name)
        await self._copies.sweep()
        in_use = any(index.record.name != self._marked for index in self._opened)
        self._tidy_at = time.monotonic() + TIDY_S if in_use else None


def _is_needed(record: IndexRecord, current: IndexRecord) -> bool:
    """Whether a release is the current one, its base, or an earlier increment of the same base."""
    base = current.base or current.name
    return (record.base or record.name) == base and record.increment <= current.increment


def _slot(directory: Path) -> tuple[Path, int]:
    """A directory that no other process uses, and the descriptor of its lock."""
    for number in count():
        descriptor = os.open(directory / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return directory / str(number), descriptor
    raise AssertionError  # `count` does not end
