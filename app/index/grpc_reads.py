"""The reads of a question by gRPC, through the client's own stubs.

The client's conversions are left out where they take time: vectors are written and read as bytes, and of a search only
the ids are read.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from grpc import ChannelConnectivity, aio, ssl_channel_credentials
from qdrant_client import grpc
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc, grpc_to_payload

from app.arrays import Vectors
from app.index.layout import SEARCH_PARAMS
from app.index.protocol import ANSWER, BM25, NEGATIVES, QUESTIONS
from app.index.rows import Row
from app.index.searches import Search
from app.index.words import Sparse

CALL_S = 1.5  # of a call; REST has the rest of what a read may take
OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # an entry of many phrasings has megabytes
    ("grpc.max_send_message_length", -1),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.keepalive_time_ms", 30_000),  # else a firewall may forget an idle connection, and the next call hangs
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
FLOAT_BYTES = 4
NO_WORDS = Sparse([], [])


class GrpcReads:
    """See `Reads`. The methods raise `grpc.aio.AioRpcError`. Nothing is sent before the first call."""

    def __init__(self, target: str, api_key: str | None = None, *, tls: bool = False) -> None:
        """`target`: host and port."""
        self.target = target
        self._tls = tls
        self._metadata = (("api-key", api_key),) if api_key else None
        self._channel: aio.Channel | None = None  # belongs to the event loop that it is made in
        self._points: Any = None

    def state(self) -> ChannelConnectivity:
        """Whether it is connected. Begins to connect where it is not."""
        if self._channel is None:
            credentials = ssl_channel_credentials() if self._tls else None
            self._channel = (
                aio.secure_channel(self.target, credentials, OPTIONS)
                if credentials
                else aio.insecure_channel(self.target, OPTIONS)
            )
            self._points = grpc.PointsStub(self._channel)  # type: ignore[no-untyped-call]
        return self._channel.get_state(try_to_connect=True)

    async def nearest_ids(self, collection: str, searches: Sequence[Search]) -> list[list[int]]:
        """As `Reads.nearest_ids`."""
        request = grpc.QueryBatchPoints(collection_name=collection, query_points=_requests(collection, searches))
        response = await self._points.QueryBatch(request, timeout=CALL_S, metadata=self._metadata)
        return [[point.id.num for point in batch.result] for batch in response.result]

    async def read_rows(self, collection: str, ids: Sequence[int]) -> dict[int, Row]:
        """As `Reads.read_rows`."""
        request = grpc.GetPoints(
            collection_name=collection,
            ids=[grpc.PointId(num=number) for number in ids],
            with_payload=grpc.WithPayloadSelector(enable=True),
            with_vectors=grpc.WithVectorsSelector(enable=True),
        )
        response = await self._points.Get(request, timeout=CALL_S, metadata=self._metadata)
        return {point.id.num: _row(point) for point in response.result}

    async def close(self) -> None:
        """Close the connection."""
        if self._channel:
            await self._channel.close()


def _requests(collection: str, searches: Sequence[Search]) -> list[grpc.QueryPoints]:
    """The searches as messages. Searches share vectors and conditions, each of which is converted once."""
    vectors = {id(search.vector): search.vector for search in searches}
    conditions = {id(search.condition): search.condition for search in searches}
    queries = {key: _query(vector) for key, vector in vectors.items()}
    filters = {key: RestToGrpc.convert_filter(held) if held else None for key, held in conditions.items()}
    return [
        grpc.QueryPoints(
            collection_name=collection,
            query=queries[id(search.vector)],
            using=search.using,
            limit=search.limit,
            filter=filters[id(search.condition)],
            params=None if search.using == BM25 else _params(),
        )
        for search in searches
    ]


def _query(vector: Vectors | Sparse) -> grpc.Query:
    if isinstance(vector, Sparse):
        return grpc.Query(nearest=grpc.VectorInput(sparse=grpc.SparseVector(**vector._asdict())))
    rows = grpc.MultiDenseVector(vectors=[grpc.DenseVector(data=vector.tolist())])
    return grpc.Query(nearest=grpc.VectorInput(multi_dense=rows))


@cache
def _params() -> grpc.SearchParams:
    return RestToGrpc.convert_search_params(SEARCH_PARAMS)


def _row(point: grpc.RetrievedPoint) -> Row:
    held = point.vectors.vectors.vectors
    vectors = {name: _dense(held[name]) for name in (ANSWER, QUESTIONS, NEGATIVES) if name in held}
    words: Any = GrpcToRest.convert_vector_output(held[BM25]) if BM25 in held else NO_WORDS
    return Row.of(grpc_to_payload(point.payload), vectors, words.indices, words.values)


def _dense(vectors: grpc.VectorOutput) -> Vectors:
    """The rows of a vector, (rows, dimension)."""
    if vectors.HasField("multi_dense"):
        return np.stack([_numbers(row) for row in vectors.multi_dense.vectors])
    return np.array(GrpcToRest.convert_vector_output(vectors), dtype=np.float32)  # of a server with older messages


def _numbers(vector: grpc.DenseVector) -> Vectors:
    """The numbers of a vector, which end its message. Reading each through Python takes 20 times as long."""
    count = len(vector.data)
    message = vector.SerializeToString()
    return np.frombuffer(message, dtype="<f4", count=count, offset=len(message) - FLOAT_BYTES * count)
