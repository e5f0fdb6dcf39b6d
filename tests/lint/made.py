"""Entries with mistakes, and an encoder whose vectors are the words of a text."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from app.arrays import Vectors
from app.knowledge.entry import Entry
from app.knowledge.stored import Stored

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BEFORE = datetime(2025, 1, 1, tzinfo=UTC)
DIMENSION = 256


class WordVectors:
    """A real vector for each text: the sum of fixed random vectors of its words, so that shared words bring it near."""

    dimension = DIMENSION

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vector(text) for text in texts])

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        return [self._vector(text)[None] for text in texts]

    def _vector(self, text: str) -> Vectors:
        words = text.lower().replace("?", "").replace(".", "").split()
        seeds = [int.from_bytes(word.encode(), "little") % 2**32 for word in words]
        vectors = [np.random.default_rng(seed).standard_normal(DIMENSION) for seed in seeds]
        vector: Vectors = np.sum(vectors, axis=0).astype(np.float32)
        return vector / np.float32(np.linalg.norm(vector))


def stored(*entries: Entry) -> list[Stored]:
    """The entries as a store has them, added long ago."""
    return [Stored(entry, 1, None, BEFORE, BEFORE) for entry in entries]
