"""Questions by gRPC, and by REST where gRPC is closed, fails or hangs.

The stand-in of `tests.faults.qdrant_grpc` answers by the client's own stubs over its local mode. It shows what is
asked, and what is done about failures; not what a real server sends, nor how fast.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from qdrant_client import grpc as messages

from app.errors import IndexUnavailable
from app.index import grpc_reads, node
from app.index.collection import TOGETHER
from app.index.grpc_reads import GrpcReads, _dense
from app.index.hits import Hits
from app.index.nodes import Nodes, _node
from app.index.protocol import Index
from app.index.resilience import OPENS_AFTER
from app.index.server import ServerStore
from tests.faults.qdrant_grpc import GrpcNode, connected, grpc_node
from tests.hits import matches_of
from tests.index.test_index import AXES, ENTRIES, FIRST, asking, record

pytestmark = pytest.mark.anyio
QUESTION = asking(AXES[0], "where are my turnips and refunds")


@pytest.fixture
async def server() -> AsyncIterator[GrpcNode]:
    """A node that holds one release, and is asked by gRPC."""
    async with grpc_node() as made:
        await ServerStore(made.node).build(record(FIRST), [ENTRIES])
        made.rest.calls.clear()
        yield made


async def opened(made: GrpcNode) -> Index:
    return await ServerStore(made.node).open(FIRST)


async def asked(index: Index) -> Hits:
    return await index.search(QUESTION, 9, {})


def searched(made: GrpcNode) -> tuple[int, int]:
    """The searches so far by gRPC and by REST."""
    return made.server.points.calls["QueryBatch"], made.rest.calls["query_batch_points"]


async def test_a_question_is_answered_as_by_rest(server: GrpcNode) -> None:
    by_grpc = await asked(await opened(server))
    assert searched(server) == (1, 0)
    by_rest = await asked(await ServerStore(server.rest).open(FIRST))  # type: ignore[arg-type]
    assert searched(server) == (1, 1)
    assert by_grpc.ids() == by_rest.ids() == ["e0", "e1", "e2", "e3"]
    assert by_grpc.payloads() == by_rest.payloads()
    assert matches_of(by_grpc) == matches_of(by_rest)
    assert by_grpc.lexical == pytest.approx(by_rest.lexical, rel=1e-6)
    for entry, other in zip(by_grpc, by_rest, strict=True):
        for left, right in zip(entry[2:5], other[2:5], strict=True):
            np.testing.assert_array_equal(left, right)


async def test_a_row_is_read_once(server: GrpcNode) -> None:
    index = await opened(server)
    assert len(await asked(index)) > 0
    assert len(await asked(index)) > 0
    assert server.server.points.calls == {"QueryBatch": 2, "Get": 1}


async def test_questions_that_wait_together_share_a_call(server: GrpcNode) -> None:
    index = await opened(server)
    questions = [asking(AXES[axis % 4], f"question {axis}") for axis in range(TOGETHER + 1)]
    results = await asyncio.gather(*(index.search(question, 1, {}) for question in questions))
    assert [{entry.id for entry in found} >= {f"e{axis % 4}"} for axis, found in enumerate(results)] == [True] * 9
    assert server.server.points.calls["QueryBatch"] == 2  # a call has at most TOGETHER of them


async def test_where_grpc_closes_rest_answers_until_it_is_back(
    server: GrpcNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    index = await opened(server)
    await server.server.stop()
    for _ in range(5):
        assert len(await asked(index)) == 4
    assert searched(server) == (0, 5)
    assert len([line for line in caplog.messages if "does not answer by gRPC" in line]) == 1
    await server.server.start()
    await connected(server.grpc)
    for _ in range(5):
        assert len(await asked(index)) == 4
    assert searched(server) == (5, 5)
    assert len([line for line in caplog.messages if "answers by gRPC" in line]) == 1


async def test_where_grpc_was_never_open_the_log_says_so_once(
    server: GrpcNode, caplog: pytest.LogCaptureFixture
) -> None:
    await server.server.stop()
    closed = node.Node(server.rest, GrpcReads(server.grpc.target))  # type: ignore[arg-type]
    index = await ServerStore(closed).open(FIRST)
    while not caplog.messages:
        assert len(await asked(index)) == 4
    assert len(await asked(index)) == 4
    (line,) = caplog.messages
    assert "does not answer by gRPC at 127.0.0.1:" in line
    assert "FAQ_QDRANT_GRPC_PORT" in line


async def test_after_a_failed_call_one_call_at_a_time_tries_again(
    server: GrpcNode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index = await opened(server)
    server.server.points.refusal = grpc.StatusCode.INTERNAL
    for _ in range(5):
        assert len(await asked(index)) == 4
    assert searched(server) == (1, 5)
    assert "INTERNAL: refused by the test" in caplog.text
    now = [time.monotonic() + node.AGAIN_S]
    monkeypatch.setattr(server.node, "_clock", lambda: now[0])
    indexes = [await opened(server) for _ in range(5)]  # which do not share calls
    await asyncio.gather(*map(asked, indexes))
    assert searched(server) == (2, 10)
    server.server.points.refusal = None
    now[0] += node.AGAIN_S
    for _ in range(5):
        assert len(await asked(index)) == 4
    assert searched(server) == (7, 10)


async def test_where_grpc_hangs_rest_answers_within_the_deadline(
    server: GrpcNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_reads, "CALL_S", 0.05)
    server.server.points.delay_s = 60
    index = await opened(server)
    for _ in range(3):
        assert len(await asked(index)) == 4
    assert searched(server) == (1, 3)


async def test_a_server_that_is_away_is_one_failure_a_call_and_is_found_again(server: GrpcNode) -> None:
    """The breaker counts calls, whichever way they were made."""
    index = await opened(server)
    await server.server.stop()
    server.rest.away = True
    for _ in range(OPENS_AFTER + 3):
        with pytest.raises(IndexUnavailable):
            await asked(index)
    assert server.rest.calls["query_batch_points"] <= OPENS_AFTER  # then only probes reach it
    server.rest.away = False
    await server.server.start()
    await connected(server.grpc)
    while True:
        try:
            assert len(await asked(index)) == 4
            break
        except IndexUnavailable:
            await asyncio.sleep(0.05)
    assert server.server.points.calls["QueryBatch"] == 1


async def test_another_node_answers_where_one_is_lost(server: GrpcNode) -> None:
    async with grpc_node(like=server) as other:
        index = await ServerStore(Nodes([server.node, other.node])).open(FIRST)
        await server.server.stop()
        server.rest.away = True
        assert len(await asked(index)) == 4
        assert searched(other) == (1, 0)


async def test_a_collection_that_vanished_is_unavailable(server: GrpcNode) -> None:
    store = ServerStore(server.node)
    index = await store.open(FIRST)
    await store.drop(FIRST)
    with pytest.raises(IndexUnavailable):
        await asked(index)


async def test_the_api_key_goes_with_every_call() -> None:
    async with grpc_node(api_key="a secret") as made:
        await ServerStore(made.node).build(record(FIRST), [ENTRIES])
        await asked(await opened(made))
        assert made.server.points.metadata["api-key"] == "a secret"


@pytest.mark.parametrize(
    ("url", "target", "tls"),
    [
        ("http://qdrant:6333", "qdrant:7000", False),
        ("https://qdrant.example/", "qdrant.example:7000", True),
        ("http://[::1]:6333", "[::1]:7000", False),
    ],
)
async def test_the_grpc_port_is_one_of_the_same_host(url: str, target: str, tls: bool) -> None:
    reads = _node(url, None, 7000)._grpc
    assert reads is not None
    assert (reads.target, reads._tls) == (target, tls)
    assert _node(url, None, 0)._grpc is None


def test_vectors_of_older_messages_are_read_too() -> None:
    numbers = np.arange(6, dtype=np.float32)
    output = messages.VectorOutput(data=numbers.tolist(), vectors_count=2)
    np.testing.assert_array_equal(_dense(output), numbers.reshape(2, 3))
