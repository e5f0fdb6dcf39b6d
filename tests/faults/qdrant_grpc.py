"""The gRPC calls of a Qdrant server that `app.index` makes, answered over the client's own local mode.

    python -m tests.faults.qdrant_grpc REST_PORT GRPC_PORT

A process with one node of `tests.faults.qdrant`, which answers by gRPC too. The messages are those of the client's own
stubs. It proves what is asked, that it can be read back, and what is done where gRPC is closed. It does not prove that
a real server fills the same fields of a message, nor anything about speed.
"""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple, cast

import grpc.aio
from qdrant_client import AsyncQdrantClient
from qdrant_client import grpc as messages
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

from app.index.grpc_reads import GrpcReads
from app.index.node import Node
from tests.faults.qdrant_api import application
from tests.faults.qdrant_cluster import Behaviour, Cluster
from tests.faults.service import ROOT, free_port
from tests.faults.stand_in import is_answering


class Points(messages.PointsServicer):
    """Answers from what a client holds. `calls` counts the requests by their names; `metadata` is that of the last."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client
        self.calls: Counter[str] = Counter()
        self.metadata: dict[str, str] = {}
        self.refusal: grpc.StatusCode | None = None  # of every call
        self.delay_s = 0.0

    async def QueryBatch(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - the protocol's name
        """Several searches, which return ids and scores alone."""
        await self._begin("QueryBatch", context)
        searches = [GrpcToRest.convert_query_points(query) for query in request.query_points]
        responses = await self._answered(self._client.query_batch_points(request.collection_name, searches), context)
        batches = [
            messages.BatchResult(result=[RestToGrpc.convert_scored_point(point) for point in response.points])
            for response in responses
        ]
        return messages.QueryBatchResponse(result=batches)

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        """Points by their ids, with payloads and vectors as wanted."""
        await self._begin("Get", context)
        ids = [GrpcToRest.convert_point_id(point) for point in request.ids]
        read = self._client.retrieve(
            request.collection_name,
            ids,
            GrpcToRest.convert_with_payload_selector(request.with_payload),
            GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        )
        points = await self._answered(read, context)
        return messages.GetResponse(result=[RestToGrpc.convert_record(point) for point in points])

    async def _begin(self, name: str, context: Any) -> None:  # noqa: ANN401
        self.calls[name] += 1
        self.metadata = dict(context.invocation_metadata())
        if self.refusal:
            await context.abort(self.refusal, "refused by the test")
        await asyncio.sleep(self.delay_s)

    async def _answered(self, call: Any, context: Any) -> Any:  # noqa: ANN401
        """The local mode's result; its error for a collection that is not there, as a server gives it."""
        try:
            return await call
        except ValueError as error:
            missing = "not found" in str(error)
            code = grpc.StatusCode.NOT_FOUND if missing else grpc.StatusCode.INVALID_ARGUMENT
            await context.abort(code, str(error))


class GrpcServer:
    """A server for one client's points, in this event loop."""

    def __init__(self, client: AsyncQdrantClient, port: int = 0) -> None:
        """`port`: 0 chooses a free one."""
        self.client = client
        self.points = Points(client)
        self.port = port
        self._server: grpc.aio.Server | None = None

    async def start(self) -> "GrpcServer":
        """Take requests; also after `stop`, on the same port."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        messages.add_PointsServicer_to_server(self.points, self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()
        return self

    async def stop(self) -> None:
        """Hang up and refuse connections."""
        if self._server:
            await self._server.stop(None)
            self._server = None


class Switch:
    """A client whose server goes away and comes back, and counts the calls."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client
        self.away = False
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the client has
        self.calls[name] += 1
        if self.away and name != "close":
            raise ConnectionError("the server is away")
        return getattr(self._client, name)


class GrpcNode(NamedTuple):
    """A node in this process, which `app.index` asks by REST and by gRPC, and both its sides."""

    node: Node
    rest: Switch
    grpc: GrpcReads
    server: GrpcServer


@asynccontextmanager
async def grpc_node(api_key: str | None = None, like: GrpcNode | None = None) -> AsyncIterator[GrpcNode]:
    """A node without collections, connected by gRPC. `like`: a node that holds the same as this one."""
    client = like.server.client if like else AsyncQdrantClient(":memory:")
    server = await GrpcServer(client).start()
    reads = GrpcReads(f"127.0.0.1:{server.port}", api_key)
    await connected(reads)
    switch = Switch(client)
    yield GrpcNode(Node(cast(AsyncQdrantClient, switch), reads), switch, reads, server)
    await reads.close()
    await server.stop()
    if like is None:
        await client.close()


async def connected(reads: GrpcReads) -> None:
    """Return when it is connected."""
    while (state := reads.state()) is not grpc.ChannelConnectivity.READY:
        assert reads._channel
        await reads._channel.wait_for_state_change(state)


@contextmanager
def grpc_stand_in() -> Iterator[tuple[int, int]]:
    """A stand-in of one node in a process of its own; its ports for REST and for gRPC."""
    ports = free_port(), free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.qdrant_grpc", *map(str, ports)], cwd=ROOT)
    try:
        while not is_answering(f"http://127.0.0.1:{ports[0]}"):
            assert process.poll() is None
            time.sleep(0.05)
        yield ports
    finally:
        process.kill()
        process.wait()


async def main(rest_port: int, grpc_port: int) -> None:
    cluster = Cluster([rest_port], application)
    server = await GrpcServer(cluster.nodes[0].client, grpc_port).start()
    await cluster.behave(Behaviour())
    await asyncio.Event().wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
