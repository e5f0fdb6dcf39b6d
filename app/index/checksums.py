"""Checksums of an index's files. The engine does not check its files and would answer from damaged ones.

sums.json    the CRC-32 of each file of a release, by its path. It finds damage by disks and incomplete copies; it is
             no protection against tampering
"""

import errno
import fcntl
import json
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from app import durable
from app.errors import IndexUnavailable
from app.index.records import CALIBRATION, RECORD

SUMS = "sums.json"
COMPARED = ".compared"  # its time is when a process last found all files as they were built
AT_ONCE_BYTES = 256 * 2**20  # of files that are compared before they are used; it takes a quarter of a second
BLOCK = 1 << 16
ZEROS = bytes(BLOCK)
REWRITTEN = ("edge_config.json", "segment.json", "tracker_journal.dat")  # by the engine, as it opens and closes


def write(directory: Path) -> None:
    """Write sums.json for an index in `directory` whose files are written and closed."""
    durable.write(directory / SUMS, json.dumps(_sums(directory)))


def check_names(directory: Path) -> int:
    """The bytes of the files, each of which is there. Raises IndexUnavailable naming the first that is missing."""
    try:
        names = json.loads((directory / SUMS).read_bytes()) if (directory / SUMS).exists() else {}
        sizes = {name: _bytes_on_disk(directory / name) for name in names}
    except (OSError, ValueError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: {error}.") from error
    for name, size in sizes.items():
        if size is None:
            raise _damaged(directory, name)
    return sum(filter(None, sizes.values()))


def _bytes_on_disk(path: Path) -> int | None:
    """None where there is no such file. Holes do not count."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return None


def check(directory: Path) -> None:
    """Compare the files with sums.json. Raises IndexUnavailable naming the first file that is damaged or missing.

    Files that sums.json does not name are left alone: the engine of another process, as it opens the same index, makes
    some for a moment. An index without sums.json, as earlier versions built it, is not checked.
    """
    if not (directory / SUMS).exists():
        return
    try:
        expected = json.loads((directory / SUMS).read_bytes())
        damaged = next((name for name, total in expected.items() if not _is_whole(directory / name, total)), None)
    except (OSError, ValueError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: {error}.") from error
    if damaged is not None:
        raise _damaged(directory, damaged)


def check_beside_others(directory: Path) -> None:
    """As `check`, for processes that open the same files: what another one compares meanwhile is not read again."""
    if not (directory / SUMS).exists():
        return
    began = time.time()
    with (directory / SUMS).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = directory / COMPARED
        if marker.exists() and marker.stat().st_mtime > began:
            return
        check(directory)
        with suppress(OSError):  # a directory that may only be read
            marker.touch()


def _damaged(directory: Path, name: str) -> IndexUnavailable:
    return IndexUnavailable(
        f"The release {directory.name} is damaged: {name} is not what was built. Reindex, or activate another."
    )


def _sums(directory: Path) -> dict[str, int]:
    """Of every file but those that change while the release is used."""
    written = {directory / name for name in (SUMS, RECORD, CALIBRATION)}
    paths = (path for path in directory.rglob("*") if path.is_file() and path not in written)
    checked = sorted(path for path in paths if path.name not in REWRITTEN and not path.name.startswith("."))
    return {path.relative_to(directory).as_posix(): _sum(path) for path in checked}


def _is_whole(path: Path, total: int) -> bool:
    try:
        return _sum(path) == total
    except FileNotFoundError:
        return False


def _sum(path: Path) -> int:
    """The CRC-32 of the file's length and of its blocks that are not all zero.

    A sparse file and its copy with zeros in place of holes have the same sum.
    """
    with path.open("rb", buffering=0) as file:
        total = zlib.crc32(str(os.fstat(file.fileno()).st_size).encode())
        for offset in blocks(file.fileno()):
            block = os.pread(file.fileno(), BLOCK, offset)
            if block != ZEROS[: len(block)]:
                total = zlib.crc32(block, zlib.crc32(str(offset).encode(), total))
        return total


def blocks(descriptor: int) -> Iterator[int]:
    """The offsets of the blocks that may hold data. The engine's files are mostly holes, 30 MB even for one entry."""
    size, offset = os.fstat(descriptor).st_size, 0
    while offset < size:
        try:
            offset = os.lseek(descriptor, offset, os.SEEK_DATA) // BLOCK * BLOCK
            end = os.lseek(descriptor, offset, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # the file system cannot tell; ENXIO means that no data follows
                yield from range(offset, size, BLOCK)
            return
        yield from range(offset, max(end, offset + 1), BLOCK)
        offset = -(-max(end, offset + 1) // BLOCK) * BLOCK
