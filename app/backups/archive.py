"""The file of a backup: a tar compressed by gzip.

about.json   first: what the backup holds; see `About`
…            the files and directories, by their paths in FAQ_HOME
sums.json    last: the SHA-256 of every file before it, so an archive that is cut off is noticed
"""

import hashlib
import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from app import durable
from app.errors import InputError

SCHEMA_VERSION = 1
Member = tuple[str, IO[bytes] | None]  # a name and the content, None of a directory
ABOUT, SUMS = "about.json", "sums.json"
KEYS = "keys"
BLOCK = 1 << 16
_PATH = re.compile(r"^(knowledge\.db|keys|(models|index|shares)(/[^/\0]+)*)$")


class About(BaseModel):
    """What a backup holds. `release`: the active one. `index`, `database`: whether the archive has them, which are in
    Qdrant and in PostgreSQL otherwise."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    id: str
    created_at: str
    release: str | None
    index: bool
    database: bool


def write(archive: Path, about: About, root: Path) -> None:
    """Write what is below `root` to an archive, which is read back before it takes its name. Raises OSError."""
    temporary = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        with tarfile.open(temporary, "w:gz", compresslevel=1) as tar:
            sums = {ABOUT: _add(tar, ABOUT, about.model_dump_json().encode())}
            for path in sorted(root.rglob("*")):
                name = path.relative_to(root).as_posix()
                if path.is_dir():
                    tar.add(path, name, recursive=False)
                else:
                    sums[name] = _add(tar, name, path)
            _add(tar, SUMS, json.dumps(sums).encode())
        unpack(temporary)
        durable.move(temporary, archive)
    finally:
        temporary.unlink(missing_ok=True)


def describe(archive: Path) -> About:
    """What an archive says it holds. Raises InputError, OSError."""
    with _reading(archive) as members:
        for name, source in members:
            if name == ABOUT and source:
                return _about(archive, source.read())
            break
    raise InputError(f"{archive} is no backup of this program.")


def unpack(archive: Path, target: Path | None = None) -> About:
    """Verify an archive and, with `target`, write its files below that directory.

    Raises InputError naming the file that is damaged or missing, and OSError.
    """
    described = describe(archive)
    actual: dict[str, str] = {}
    sums: dict[str, str] | None = None
    with _reading(archive) as members:
        for name, source in members:
            if name in (ABOUT, SUMS) and source:
                content = source.read()
                actual[name] = hashlib.sha256(content).hexdigest()
                sums = json.loads(content) if name == SUMS else sums
            elif not _PATH.match(name) or ".." in name.split("/"):
                raise InputError(f"{archive} is damaged: it holds {name!r}, which no backup has.")
            elif source is None:
                if target:
                    (target / name).mkdir(parents=True, exist_ok=True)
            else:
                actual[name] = _copy(source, target / name if target else None)
                if target and name == KEYS:
                    (target / name).chmod(0o600)
    if sums is None:
        raise InputError(f"{archive} is damaged: its end is missing.")
    for name in sorted({*sums, *actual} - {SUMS}):
        if sums.get(name) != actual.get(name):
            raise InputError(f"{archive} is damaged: {name} is not what was backed up.")
    return described


@contextmanager
def _reading(archive: Path) -> Iterator[Iterator[Member]]:
    """The members of an archive, in order. Damage becomes InputError, which names the member."""
    place = "its beginning"

    def members(tar: tarfile.TarFile) -> Iterator[Member]:
        nonlocal place
        for member in tar:
            place = member.name
            yield member.name, tar.extractfile(member) if member.isreg() else None

    try:
        with tarfile.open(archive, "r|gz") as tar:
            yield members(tar)
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise InputError(f"{archive} is damaged, or no backup, at {place}: {error}.") from error


def _about(archive: Path, content: bytes) -> About:
    try:
        described = About.model_validate_json(content)
    except ValidationError as error:
        raise InputError(f"{archive} is damaged: {ABOUT} cannot be read.") from error
    if described.schema_version != SCHEMA_VERSION:
        raise InputError(f"{archive} was written by a newer version of Faqtual; upgrade Faqtual.")
    return described


class _Hashed(io.RawIOBase):
    """A stream that knows the SHA-256 of what was read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.digest.update(block)
        return block


def _add(tar: tarfile.TarFile, name: str, content: bytes | Path) -> str:
    """Add a file; returns its SHA-256."""
    info = tarfile.TarInfo(name)
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as stream:
        if isinstance(content, Path):
            status = content.stat()
            info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), status.st_mode & 0o777
        else:
            info.size = len(content)
        hashed = _Hashed(stream)
        tar.addfile(info, hashed)  # it needs `read` alone
        return hashed.digest.hexdigest()


def _copy(source: IO[bytes], target: Path | None) -> str:
    """Write a file; returns its SHA-256."""
    digest = hashlib.sha256()
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
    with (target or Path(os.devnull)).open("wb") as file:
        while block := source.read(BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()
