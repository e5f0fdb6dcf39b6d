"""One node of a Qdrant cluster: by REST, and the reads of questions by gRPC where its port is open."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from grpc import ChannelConnectivity
from grpc.aio import AioRpcError
from qdrant_client import AsyncQdrantClient

from app.index.grpc_reads import GrpcReads
from app.index.rest_reads import RestReads
from app.index.rows import Row
from app.index.searches import Reads, Search

T = TypeVar("T")

AGAIN_S = 10.0  # after a failed call, how long gRPC is not tried
logger = logging.getLogger(__name__)


class Node:
    """Has the coroutine methods of `AsyncQdrantClient`, and those of `Reads`.

    A read by gRPC that fails is made by REST, whose errors are those of this class; then REST answers for AGAIN_S.
    """

    def __init__(
        self, client: AsyncQdrantClient, grpc: GrpcReads | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._rest = RestReads(client)
        self._grpc = grpc
        self._clock = clock
        self._problem: str | None = None  # why REST answers instead of gRPC
        self._logged = False
        self._again = 0.0  # when gRPC is tried next

    async def nearest_ids(self, collection: str, searches: Sequence[Search]) -> list[list[int]]:
        """As `Reads.nearest_ids`."""
        return await self._read(lambda reads: reads.nearest_ids(collection, searches))

    async def read_rows(self, collection: str, ids: Sequence[int]) -> dict[int, Row]:
        """As `Reads.read_rows`."""
        return await self._read(lambda reads: reads.read_rows(collection, ids))

    async def close(self) -> None:
        """Close the connections."""
        if self._grpc:
            await self._grpc.close()
        await self._client.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the client has
        return getattr(self._client, name)

    async def _read(self, call: Callable[[Reads], Awaitable[T]]) -> T:
        if self._grpc and self._may_try(self._grpc):
            try:
                result = await call(self._grpc)
            except AioRpcError as error:
                self._failed(f"{error.code().name}: {error.details()}", self._grpc)
            else:
                self._succeeded(self._grpc)
                return result
        result = await call(self._rest)
        if self._grpc and self._problem and not self._logged:
            self._logged = True
            logger.warning(
                "Qdrant does not answer by gRPC at %s (%s). Questions go by REST, which is slower, until it does. "
                "FAQ_QDRANT_GRPC_PORT is its port.",
                self._grpc.target,
                self._problem,
            )
        return result

    def _may_try(self, grpc: GrpcReads) -> bool:
        """Whether a call goes by gRPC. After a failure one call tries it at a time, so that the others are not held."""
        now = self._clock()
        if now < self._again:
            return False
        state = grpc.state()
        if state is ChannelConnectivity.TRANSIENT_FAILURE:
            self._problem = self._problem or "the port is closed"
        if self._problem and state is ChannelConnectivity.READY:
            self._again = now + AGAIN_S
        return state is ChannelConnectivity.READY

    def _failed(self, problem: str, grpc: GrpcReads) -> None:
        self._problem = problem
        if grpc.state() is ChannelConnectivity.READY:  # otherwise the state says when to try it
            self._again = self._clock() + AGAIN_S

    def _succeeded(self, grpc: GrpcReads) -> None:
        if self._logged:
            logger.info("Qdrant answers by gRPC at %s again.", grpc.target)
        self._problem, self._logged, self._again = None, False, 0.0
