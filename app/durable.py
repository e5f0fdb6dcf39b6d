"""Files that are whole or absent: written aside, flushed to the disk, then renamed."""

import os
from collections.abc import Iterable
from pathlib import Path


def write(target: Path, text: str) -> None:
    """Replace the content of `target`; a reader, or a crash, sees the old content or the new, never a part."""
    write_blocks(target, [text.encode()])


def write_blocks(target: Path, blocks: Iterable[bytes]) -> None:
    """Like `write`, of content that comes in blocks."""
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
        rename(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def rename(source: Path, target: Path) -> None:
    """Rename within one directory, so that it outlasts a power cut."""
    source.replace(target)
    _flush(target.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file or a directory that was written aside, once its content is on the disk."""
    if source.is_dir():
        flush_tree(source)
    else:
        _flush(source)
    rename(source, target)


def flush_tree(directory: Path) -> None:
    """Bring everything below `directory` to the disk, whoever wrote it: before a rename says that it is whole."""
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
