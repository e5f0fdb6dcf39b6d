"""Checksums of an index's files, as a damaged file would give wrong answers.

sums.json    the CRC-32 of each file of a release, by its path. It finds damage by disks and incomplete copies; it is
             no protection against tampering
"""

import fcntl
import json
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from app import durable
from app.errors import IndexUnavailable
from app.index.records import CALIBRATION, RECORD

SUMS = "sums.json"
COMPARED = ".compared"  # its time is when a process last found all files as they were built
AT_ONCE_BYTES = 256 * 2**20  # of files that are compared before they are used; it takes a tenth of a second
BLOCK = 1 << 18  # bytes that are read at a time


def write(directory: Path) -> None:
    """Write sums.json for an index in `directory` whose files are written and closed."""
    durable.write(directory / SUMS, json.dumps(_sums(directory)))


def check_names(directory: Path) -> int:
    """The bytes of the files, each of which is there. Raises IndexUnavailable naming the first that is missing."""
    total = 0
    with _readable(directory):
        for name in _expected(directory):
            if not (path := directory / name).exists():
                raise _damaged(directory, name)
            total += path.stat().st_size
    return total


def check(directory: Path) -> None:
    """Compare the files with sums.json. Raises IndexUnavailable naming the first file that is damaged or missing.

    Files that sums.json does not name are left alone.
    """
    with _readable(directory):
        for name, total in _expected(directory).items():
            if not _is_whole(directory / name, total):
                raise _damaged(directory, name)


def check_beside_others(directory: Path) -> None:
    """As `check`, for processes that open the same files: what another one compares meanwhile is not read again."""
    began = time.time()
    with _readable(directory), (directory / SUMS).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = directory / COMPARED
        if marker.exists() and marker.stat().st_mtime > began:
            return
        check(directory)
        with suppress(OSError):  # a directory that may only be read
            marker.touch()


@contextmanager
def _readable(directory: Path) -> Iterator[None]:
    """Raises IndexUnavailable, naming the release, where a file cannot be read."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: {error}.") from error


def _expected(directory: Path) -> dict[str, int]:
    return cast(dict[str, int], json.loads((directory / SUMS).read_bytes()))


def _damaged(directory: Path, name: str) -> IndexUnavailable:
    return IndexUnavailable(
        f"The release {directory.name} is damaged: {name} is not what was built. Reindex, or activate another."
    )


def _sums(directory: Path) -> dict[str, int]:
    """Of every file but those that are written later or again."""
    written = {directory / name for name in (SUMS, RECORD, CALIBRATION)}
    paths = (path for path in directory.rglob("*") if path.is_file() and path not in written)
    return {path.relative_to(directory).as_posix(): _sum(path) for path in sorted(paths)}


def _is_whole(path: Path, total: int) -> bool:
    try:
        return _sum(path) == total
    except FileNotFoundError:
        return False


def _sum(path: Path) -> int:
    """The CRC-32 of a file."""
    total, buffer = 0, memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            total = zlib.crc32(buffer[:size], total)
    return total
