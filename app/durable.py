"""Files that are whole or absent: written aside, flushed to the disk, then renamed."""

import os
from pathlib import Path


def write(target: Path, text: str) -> None:
    """Replace the content of `target`; a reader, or a crash, sees the old content or the new, never a part."""
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        rename(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def rename(source: Path, target: Path) -> None:
    """Rename within one directory, so that it outlasts a power cut."""
    source.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
