"""Atomic and durable writes: to a temporary file, flushed to the disk, then renamed."""

import os
from collections.abc import Iterable
from pathlib import Path


def write(target: Path, text: str) -> None:
    """Replace the content of `target`. Readers see the old or the new content, never a part; after a crash too."""
    write_blocks(target, [text.encode()])


def write_blocks(target: Path, blocks: Iterable[bytes]) -> None:
    """Like `write`, with the content in blocks."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
        rename(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def rename(source: Path, target: Path) -> None:
    """Rename within one directory; the rename survives a power cut."""
    source.replace(target)
    _flush(target.parent)


def move(source: Path, target: Path) -> None:
    """Flush a file or a directory to the disk, then rename it within its parent directory."""
    if source.is_dir():
        flush_tree(source)
    else:
        _flush(source)
    rename(source, target)


def flush_tree(directory: Path) -> None:
    """Flush every file and directory below `directory` to the disk, whichever process wrote it."""
    for folder, _, files in os.walk(directory):
        for name in files:
            _flush(Path(folder, name))
        _flush(Path(folder))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
