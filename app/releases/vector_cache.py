"""A cache of vectors by bundle and text, so that an edit encodes only the changed texts.

One SQLite file a bundle, in FAQ_HOME/vectors. It is a cache: losing it costs time and nothing else. A file in which
damage is noticed, at opening, reading or writing, is deleted and started again; a row whose checksum differs is
computed again; where the file cannot be used at all, everything is computed.
"""

import hashlib
import logging
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.arrays import Vectors
from app.encoding.encoder import Encoder
from app.encoding.encoders import ANSWER, QUESTION, Encoders, Side

_SCHEMA = """CREATE TABLE IF NOT EXISTS checked_vectors (
    key BLOB PRIMARY KEY, vectors BLOB NOT NULL, checksum INTEGER NOT NULL
) WITHOUT ROWID"""
PAGE = 16384  # bytes; with SQLite's 4096 a vector of 384 numbers takes two pages of its own, 4.7 kB in place of 1.9
KEYS = 500  # that one statement asks for
_UNDAMAGED = {  # failures that say nothing against the file; other codes do
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
}

logger = logging.getLogger(__name__)
T = TypeVar("T")
Row = tuple[bytes, bytes, int]


class CachedEncoder:
    """An encoder that keeps its vectors in a file, for building indexes. Closes with the `with` block."""

    def __init__(self, encoder: Encoder, path: Path, encoders: Encoders | None = None) -> None:
        """`encoders`: compute what is missing, by default `encoder` alone. They are closed with the file."""
        self._encoder = encoder
        self._encoders = encoders or Encoders(encoder)
        self._file = _CacheFile(path)

    @property
    def dimension(self) -> int:
        """Of the vectors."""
        return self._encoder.encoding.dimension

    def __enter__(self) -> "CachedEncoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and the encoders."""
        self._encoders.close()
        self._file.close()

    @property
    def ahead(self) -> int:
        """How many calls of `begin` keep all encoders busy."""
        return self._encoders.ahead

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32."""
        return self.begin_queries(texts)()

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (windows, dimension) float32."""
        return self.begin_documents(texts)()

    def begin_queries(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        """Begin to encode. Returns what waits and gives the same as `encode_queries`."""
        finish = self._begin(QUESTION, texts)
        return lambda: np.concatenate([np.empty((0, self.dimension), dtype=np.float32), *finish()])

    def begin_documents(self, texts: Sequence[str]) -> Callable[[], list[Vectors]]:
        """Begin to encode. Returns what waits and gives the same as `encode_documents`."""
        return self._begin(ANSWER, texts)

    def _begin(self, side: Side, texts: Sequence[str]) -> Callable[[], list[Vectors]]:
        keys = {text: key_of(side, text) for text in texts}
        stored = self._file.get(list(keys.values()))
        known = {text: vectors for text, key in keys.items() if (vectors := self._vectors(stored.get(key))) is not None}
        missing = [text for text in keys if text not in known]
        computing = self._encoders.begin(side, missing) if missing else None

        def finish() -> list[Vectors]:
            if computing:
                computed = computing.result()
                self._file.put([_row(keys[text], vectors) for text, vectors in zip(missing, computed, strict=True)])
                known.update(zip(missing, computed, strict=True))
            return [known[text] for text in texts]

        return finish

    def _vectors(self, stored: bytes | None) -> Vectors | None:
        if stored is None or len(stored) % (4 * self.dimension):
            return None
        return np.frombuffer(stored, dtype=np.float32).reshape(-1, self.dimension)


class _CacheFile:
    """Bytes by key, in a SQLite file that starts again when it is damaged. Raises nothing for what is in the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._attempt(lambda connection: None)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """What is stored under these keys, without what is missing and what is not as it was put there."""
        stored: dict[bytes, bytes] = {}
        for start in range(0, len(keys), KEYS):
            group = keys[start : start + KEYS]
            marks = ", ".join("?" * len(group))
            select = f"SELECT key, vectors, checksum FROM checked_vectors WHERE key IN ({marks})"  # noqa: S608 - marks
            rows = self._attempt(partial(_fetched, select, group))
            for key, vectors, checksum in rows or ():
                if type(vectors) is bytes and _checksum(key, vectors) == checksum:
                    stored[key] = vectors
        return stored

    def put(self, rows: Sequence[Row]) -> None:
        """Store the rows if the disk lets us."""

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO checked_vectors VALUES (?, ?, ?)", rows)

        self._attempt(insert)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _attempt(self, use: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `use` returns, or None where the file cannot be used. A damaged file is deleted, and used once more."""
        for is_last in (False, True):
            try:
                if self._connection is None:
                    self._connection = _connect(self._path)
                return use(self._connection)
            except sqlite3.Error as error:
                if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _UNDAMAGED or is_last:
                    return None
                logger.warning("The vector cache %s is damaged (%s) and is rebuilt", self._path, error)
                self._delete()
        return None

    def _delete(self) -> None:
        self.close()
        for path in self._path.parent.glob(f"{self._path.name}*"):
            with suppress(OSError):
                path.unlink()


def _fetched(select: str, keys: Sequence[bytes], connection: sqlite3.Connection) -> list[Row]:
    return connection.execute(select, keys).fetchall()


def key_of(side: str, text: str) -> bytes:
    """The key of a text's vectors. `side`: of SIDES."""
    return hashlib.sha256(f"{side}\0{text}".encode()).digest()


def _row(key: bytes, vectors: Vectors) -> Row:
    stored = vectors.tobytes()
    return key, stored, _checksum(key, stored)


def _checksum(key: bytes, stored: bytes) -> int:
    return zlib.crc32(stored, zlib.crc32(key))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size={PAGE}")  # of a new file
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("DROP TABLE IF EXISTS vectors")  # of a version that kept no checksums
        connection.execute(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
