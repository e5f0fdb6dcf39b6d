"""The reads of a question by REST, through the client."""

from collections.abc import Sequence
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from app.index.layout import SEARCH_PARAMS
from app.index.protocol import BM25
from app.index.rows import Row
from app.index.searches import Search
from app.index.words import Sparse


class RestReads:
    """See `Reads`."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client

    async def nearest_ids(self, collection: str, searches: Sequence[Search]) -> list[list[int]]:
        """As `Reads.nearest_ids`."""
        responses = await self._client.query_batch_points(collection, [_request(search) for search in searches])
        return [[int(point.id) for point in response.points] for response in responses]

    async def read_rows(self, collection: str, ids: Sequence[int]) -> dict[int, Row]:
        """As `Reads.read_rows`."""
        points = await self._client.retrieve(collection, list(ids), with_payload=True, with_vectors=True)
        return {int(point.id): _row(point) for point in points}


def _request(search: Search) -> models.QueryRequest:
    vector = search.vector
    return models.QueryRequest(
        query=models.SparseVector(**vector._asdict()) if isinstance(vector, Sparse) else [vector.tolist()],
        using=search.using,
        limit=search.limit,
        filter=search.condition,
        params=None if search.using == BM25 else SEARCH_PARAMS,
    )


def _row(point: Any) -> Row:  # noqa: ANN401 - a record with payload and vectors
    words = point.vector.get(BM25) or models.SparseVector(indices=[], values=[])
    return Row.of(point.payload, point.vector, words.indices, words.values)
