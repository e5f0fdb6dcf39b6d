"""Vectors computed before, by bundle and text, so that an edit encodes only what it changed.

One SQLite file a bundle, in FAQ_HOME/vectors; losing it costs time and nothing else, so a damaged one is begun anew.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from app.retrieval.encoder import Encoder
from app.retrieval.ranking import Vectors


class CachedEncoder:
    """An encoder that remembers, for the building of indexes. Closes with the `with` block."""

    def __init__(self, encoder: Encoder, path: Path) -> None:
        self._encoder = encoder
        self._database = _open(path)

    @property
    def dimension(self) -> int:
        """Of the vectors."""
        return self._encoder.encoding.dimension

    def __enter__(self) -> "CachedEncoder":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def questions(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (1, dimension) float32."""
        return self._cached("question", texts, lambda missing: list(self._encoder.questions(missing)[:, None, :]))

    def answers(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (windows, dimension) float32."""
        return self._cached("answer", texts, self._encoder.answers)

    def _cached(self, side: str, texts: Sequence[str], encode: Callable[[list[str]], list[Vectors]]) -> list[Vectors]:
        keys = {text: hashlib.sha256(f"{side}\0{text}".encode()).digest() for text in texts}
        known = {text: vectors for text, key in keys.items() if (vectors := self._get(key)) is not None}
        missing = [text for text in keys if text not in known]
        if missing:
            computed = encode(missing)
            rows = [(keys[text], one.tobytes()) for text, one in zip(missing, computed, strict=True)]
            with suppress(sqlite3.OperationalError), self._database:  # a full disk costs the memory, not the work
                self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            known.update(zip(missing, computed, strict=True))
        return [known[text] for text in texts]

    def _get(self, key: bytes) -> Vectors | None:
        row = self._database.execute("SELECT vectors FROM vectors WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return np.frombuffer(row[0], dtype=np.float32).reshape(-1, self.dimension)


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connect(path)
    except sqlite3.DatabaseError:
        for damaged in path.parent.glob(f"{path.name}*"):
            damaged.unlink()
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vectors BLOB NOT NULL) WITHOUT ROWID")
    return connection
