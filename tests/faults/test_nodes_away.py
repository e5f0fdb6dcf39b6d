"""Building, switching and asking while nodes of a Qdrant server, or all of them, are cut off.

A proxy before each node of the server that QDRANT_URL names cuts it off, or before those of the stand-in of
`tests.faults.qdrant`, which proves nothing about gRPC, green, quantisation, recall, or how a cluster agrees.
"""

import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from app.errors import IndexUnavailable
from app.index.candidates import Candidate
from app.index.server import ServerStore
from tests.faults.nodes import Nodes
from tests.faults.proxy import Mode
from tests.index.namespaces import empty, new_namespace
from tests.index.test_index import AXES, ENTRIES, FIRST, SECOND, asking, record

pytestmark = [pytest.mark.anyio, pytest.mark.server("faults")]


@pytest.fixture
async def store(nodes: Nodes) -> AsyncIterator[ServerStore]:
    """A store in a namespace of its own."""
    namespace = new_namespace()
    made = ServerStore.connect(nodes.url, namespace=namespace, grpc_port=nodes.grpc_port)
    yield made
    nodes.set("pass")
    await made.close()
    await empty(nodes.url, namespace)


async def answers(store: ServerStore, name: str) -> set[str]:
    index = await store.open(name)
    return {entry.id for entry in await index.search(asking(AXES[0]), 10, {})}


@pytest.mark.parametrize("lost", [0, 1])
async def test_the_loss_of_a_node_stops_neither_questions_nor_switches(
    store: ServerStore, nodes: Nodes, lost: int
) -> None:
    if len(nodes.urls) < 2:
        pytest.skip("the server has one node; QDRANT_URLS names several")
    await store.build(record(FIRST), [ENTRIES])
    await store.activate(FIRST)
    nodes.set("away", lost)
    assert await answers(store, FIRST) == {"e0", "e1", "e2", "e3"}
    await store.build(record(SECOND), [ENTRIES])
    await store.activate(SECOND)
    assert await store.pointer() == (SECOND, FIRST)


async def test_a_break_of_the_server_does_not_end_a_build(store: ServerStore, nodes: Nodes) -> None:
    batches = iter([ENTRIES[:2], ENTRIES[2:]])

    def interrupted() -> Iterator[list[Candidate]]:
        yield next(batches)
        nodes.set("away")
        threading.Timer(1.0, nodes.set, ["pass"]).start()
        yield next(batches)

    await store.build(record(FIRST), interrupted())
    assert await answers(store, FIRST) == {"e0", "e1", "e2", "e3"}


@pytest.mark.parametrize("mode", ["reset", "errors", "cut", "away"])
async def test_no_error_is_without_words(store: ServerStore, nodes: Nodes, mode: Mode) -> None:
    nodes.set(mode)
    with pytest.raises(IndexUnavailable, match=r"Qdrant .* for the aliases: .*\w{4}"):
        await store.pointer()
