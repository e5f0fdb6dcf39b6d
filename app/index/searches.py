"""What a question asks of a Qdrant server: the ids of the nearest entries, by one named vector each."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from qdrant_client import models

from app.arrays import Vectors
from app.index.rows import Row
from app.index.words import Sparse


class Search(NamedTuple):
    """A search for the `limit` nearest entries that meet a condition. `vector`: (dimension,), or words for BM25."""

    vector: Vectors | Sparse
    using: str
    limit: int
    condition: models.Filter | None


class Reads(Protocol):
    """The calls that answer a question, by REST or by gRPC."""

    async def nearest_ids(self, collection: str, searches: Sequence[Search]) -> list[list[int]]:
        """The ids that each search finds, best first, in one call."""

    async def read_rows(self, collection: str, ids: Sequence[int]) -> dict[int, Row]:
        """The rows of points by their ids, in one call; without the points that are gone."""
