"""Whether the files of an index are those that were built: the engine itself would answer from damaged ones.

sums.json    the CRC-32 of every file of the shard, of the vectors, the words and the lookup, by its path: against
             failing disks and torn copies, not people
"""

import errno
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from app import durable
from app.errors import IndexUnavailable
from app.index.lookup import LOOKUP
from app.index.postings import POSTINGS
from app.index.vector_file import ROWS, VECTORS

SUMS, SHARD = "sums.json", "shard"
BLOCK = 1 << 16
ZEROS = bytes(BLOCK)
REWRITTEN = ("edge_config.json", "segment.json", "tracker_journal.dat")  # by the engine, as it opens and closes


def write(directory: Path) -> None:
    """Note the checksums of a shard that is flushed and closed, and of the vectors beside it."""
    durable.write(directory / SUMS, json.dumps(_sums(directory)))


def check(directory: Path) -> None:
    """Raise IndexUnavailable naming a file that is damaged or gone. An index of before there were sums passes."""
    if not (directory / SUMS).exists():
        return
    try:
        noted = json.loads((directory / SUMS).read_bytes())
        found = _sums(directory)
    except (OSError, ValueError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: {error}.") from error
    if noted != found:
        name = next(name for name in sorted({*noted, *found}) if noted.get(name) != found.get(name))
        raise IndexUnavailable(
            f"The release {directory.name} is damaged: {name} is not what was built. Reindex, or activate another."
        )


def _sums(directory: Path) -> dict[str, int]:
    shard = [path for path in (directory / SHARD).rglob("*") if path.is_file() and path.name not in REWRITTEN]
    # an index that is not scanned has no postings, an old one no lookup
    optional = [path for path in (directory / POSTINGS, directory / LOOKUP) if path.exists()]
    paths = sorted([*shard, directory / VECTORS, directory / ROWS, *optional])
    return {path.relative_to(directory).as_posix(): _sum(path) for path in paths}


def _sum(path: Path) -> int:
    """Of the length and the blocks that are not zero, so that a hole and the zeros a copy makes of it are alike."""
    with path.open("rb", buffering=0) as file:
        total = zlib.crc32(str(os.fstat(file.fileno()).st_size).encode())
        for offset in blocks(file.fileno()):
            block = os.pread(file.fileno(), BLOCK, offset)
            if block != ZEROS[: len(block)]:
                total = zlib.crc32(block, zlib.crc32(str(offset).encode(), total))
        return total


def blocks(descriptor: int) -> Iterator[int]:
    """Where blocks begin that may hold data: the engine's files are mostly holes, 30 MB of them for an entry."""
    size, offset = os.fstat(descriptor).st_size, 0
    while offset < size:
        try:
            offset = os.lseek(descriptor, offset, os.SEEK_DATA) // BLOCK * BLOCK
            end = os.lseek(descriptor, offset, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # a file system that does not tell; otherwise no data from here on
                yield from range(offset, size, BLOCK)
            return
        yield from range(offset, max(end, offset + 1), BLOCK)
        offset = -(-max(end, offset + 1) // BLOCK) * BLOCK
