"""The embedded index: files in FAQ_HOME, which this process reads itself.

index/active.json                  the names of the active release and the previous one; replaced by rename
index/<release>/record.json        the description of the release; written last, so that a release that has it is whole;
                                   see index.records
index/<release>/calibration.json   the calibration of confidence; replaced by rename
index/<release>/sums.json          checksums, compared by each process that opens the release; see index.checksums
index/<release>/…                  of a publish the files of index.segment, of an increment those of index.increment
index/.building-<release>/         an unfinished build
"""

import asyncio
import errno
import json
import shutil
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from weakref import WeakValueDictionary

from app import durable
from app.errors import IndexUnavailable, NotFound
from app.index import checksums
from app.index.candidates import Candidate
from app.index.increment import Increment
from app.index.open_segments import OpenSegments
from app.index.overlay import Overlay
from app.index.protocol import Calibration, IndexRecord
from app.index.records import CALIBRATION, read_calibration, read_record, write_record
from app.index.release import EmbeddedIndex
from app.index.segment_writer import write_segment

POINTER, BUILDING = "active.json", ".building-"
FULL = (errno.ENOSPC, errno.EDQUOT, None)  # what a write says where the disk is full; numpy's has no number


class EmbeddedStore:
    """All releases under one directory; see `IndexStore`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._segments = OpenSegments()
        self._increments: WeakValueDictionary[tuple[str, str], Increment] = WeakValueDictionary()

    async def claim(self, owner: str, adopt: bool, bundles: Collection[str]) -> None:
        """As `IndexStore.claim`. Does nothing: FAQ_HOME belongs to one installation."""

    async def build(
        self, record: IndexRecord, batches: Iterable[list[Candidate]], waiting: Callable[[], object] = bool
    ) -> None:
        """As `IndexStore.build`: written to a temporary directory, flushed, then renamed."""
        await asyncio.to_thread(self._write, record, lambda directory: write_segment(directory, record, batches))

    async def extend(
        self, record: IndexRecord, parent: str, batches: Iterable[list[Candidate]], removed: Collection[str]
    ) -> None:
        """As `IndexStore.extend`."""
        await asyncio.to_thread(self._extend, record, parent, batches, removed)

    def _extend(
        self, record: IndexRecord, parent: str, batches: Iterable[list[Candidate]], removed: Collection[str]
    ) -> None:
        base, increments = self._line(read_record(self._directory / parent))
        entries = list(chain.from_iterable(batches))
        with self._segments.using(self._directory / base.name, base) as segment:
            segment.verify()
            numbers = segment.numbers({*removed, *(entry.id for entry in entries)})
        hidden = set(numbers).difference(*(increment.changes.hidden for increment in increments))
        increment = Increment.of(record, parent, entries, removed, sorted(hidden))
        self._write(record, increment.save)

    def _write(self, record: IndexRecord, write: Callable[[Path], None]) -> None:
        """Give a release its name when all its files are on the disk. `write` gets an empty directory.

        Leaves nothing where that fails. Raises IndexUnavailable where the disk is full.
        """
        building = self._directory / f"{BUILDING}{record.name}"
        shutil.rmtree(building, ignore_errors=True)
        try:
            building.mkdir(parents=True)
            write(building)
            checksums.write(building)
            durable.flush_tree(building)
            write_record(building, record)
            durable.rename(building, self._directory / record.name)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise IndexUnavailable(
                f"The disk of {self._directory} is full: the release {record.name} could not be written. Make room and "
                "try again."
            ) from error
        finally:
            shutil.rmtree(building, ignore_errors=True)

    async def open(self, name: str, *, at_once: bool = False) -> EmbeddedIndex:
        """As `IndexStore.open`."""
        return await asyncio.to_thread(self._open, name, at_once)

    def _open(self, name: str, at_once: bool) -> EmbeddedIndex:
        record = read_record(self._directory / name)
        calibration = read_calibration(self._directory / name)
        base, increments = self._line(record)
        segment = self._segments.acquire(self._directory / base.name, base)
        close = partial(self._segments.release, segment)
        try:
            if not at_once:
                segment.verify()
            return EmbeddedIndex(record, calibration, segment, Overlay(segment, increments), close)
        except BaseException:
            close()
            raise

    def _line(self, record: IndexRecord) -> tuple[IndexRecord, list[Increment]]:
        """The record of the base of a release, and the increments up to the release, oldest first."""
        increments: list[Increment] = []
        while record.base is not None:
            increments.append(self._increment(record))
            record = read_record(self._directory / increments[-1].changes.parent)
        return record, increments[::-1]

    def _increment(self, record: IndexRecord) -> Increment:
        key = record.name, record.created_at
        increment = self._increments.get(key)
        if increment is None:
            increment = self._increments[key] = Increment.open(self._directory / record.name, record.dimension)
        return increment

    async def records(self) -> list[IndexRecord]:
        """As `IndexStore.records`; a directory whose record cannot be read is no release."""
        records = []
        for name in await self.names():
            with suppress(NotFound, IndexUnavailable):
                records.append(read_record(self._directory / name))
        return sorted(records, key=lambda record: (record.created_at, record.name))

    async def names(self) -> list[str]:
        """As `IndexStore.names`."""
        return sorted(path.name for path in self._directory.glob("faq-*") if path.is_dir())

    async def drop(self, name: str) -> None:
        """As `IndexStore.drop`: renamed first, then deleted."""
        dropped = self._directory / f"{BUILDING}dropped-{name}"
        shutil.rmtree(dropped, ignore_errors=True)
        try:
            (self._directory / name).replace(dropped)
        except FileNotFoundError:
            return
        await asyncio.to_thread(shutil.rmtree, dropped, ignore_errors=True)

    async def sweep(self) -> None:
        """As `IndexStore.sweep`."""
        for directory in self._directory.glob(f"{BUILDING}*"):
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        for path in self._directory.glob(f".{POINTER}.*"):  # of a process that was killed as it wrote the pointer
            path.unlink(missing_ok=True)

    async def pointer(self) -> tuple[str | None, str | None]:
        """As `IndexStore.pointer`."""
        try:
            pointer = json.loads((self._directory / POINTER).read_bytes())
            active, previous = pointer["active"], pointer["previous"]
            if not all(name is None or isinstance(name, str) for name in (active, previous)):
                raise TypeError
            return active, previous
        except FileNotFoundError:
            return None, None
        except (ValueError, KeyError, TypeError) as error:
            raise IndexUnavailable(
                f"{self._directory / POINTER} is damaged. Activate a release; `python -m app releases` lists them."
            ) from error

    async def activate(self, name: str) -> None:
        """As `IndexStore.activate`. Raises NotFound."""
        read_record(self._directory / name)
        try:
            active, previous = await self.pointer()
        except IndexUnavailable:  # a damaged pointer is replaced
            active = previous = None
        if active != name:
            active, previous = name, active
        durable.write(self._directory / POINTER, json.dumps({"active": active, "previous": previous}))

    async def calibration(self, name: str) -> Calibration | None:
        """As `IndexStore.calibration`."""
        return read_calibration(self._directory / name)

    async def calibrate(self, name: str, calibration: Calibration) -> None:
        """As `IndexStore.calibrate`."""
        read_record(self._directory / name)
        durable.write(self._directory / name / CALIBRATION, json.dumps(calibration, indent=2))

    async def close(self) -> None:
        """As `IndexStore.close`."""
