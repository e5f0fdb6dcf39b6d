"""What only a real Qdrant server can show: `make test-server QDRANT_URL=http://… [QDRANT_URLS=node1,node2,…]`.

Each test has a namespace of its own, removes it afterwards, and touches nothing else on the server.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from app.index.candidates import Candidate, Question
from app.index.layout import Layout
from app.index.nodes import GRPC_PORT
from app.index.rest_reads import RestReads
from app.index.server import ServerStore
from tests.faults.qdrant_grpc import connected
from tests.faults.real import real_urls
from tests.index.in_increments import NAMES, InIncrements
from tests.index.namespaces import empty, new_namespace
from tests.index.test_index import AXES, ENTRIES, FIRST, SECOND, asking, record

pytestmark = pytest.mark.anyio
NODES = real_urls()
URLS = ",".join(NODES)
GRPC = int(os.environ.get("QDRANT_GRPC_PORT", str(GRPC_PORT)))
MANY, DIMENSION = 4_000, 384


@pytest.fixture
async def namespace() -> AsyncIterator[str]:
    """The name of an empty namespace, which is emptied afterwards."""
    if not NODES:
        pytest.skip("neither QDRANT_URL nor QDRANT_URLS is set")
    name = new_namespace()
    yield name
    await empty(URLS, name)


@pytest.mark.server("switch")
async def test_a_release_is_whole_on_every_node_once_it_is_built(namespace: str) -> None:
    store = ServerStore.connect(URLS, namespace=namespace)
    for _ in range(3):
        await InIncrements(store).build(record(FIRST), [ENTRIES])
        await store.calibrate(FIRST, {"kept": 0.1})
        await store.activate(FIRST)
        for url in NODES:
            node = ServerStore.connect(url, namespace=namespace)
            assert await node.pointer() == (FIRST, None)
            assert [held.name for held in await node.records()] == sorted([*NAMES, FIRST])
            index = await node.open(FIRST)
            assert index.record.entries == await index.count() == 4
            assert {entry.id for entry in await index.search(asking(AXES[0]), 9, {})} == {"e0", "e1", "e2", "e3"}
            await node.close()
        for name in (FIRST, *reversed(NAMES)):
            await store.drop(name)
    await store.close()


@pytest.mark.server("switch")
async def test_namespaces_on_one_server_do_not_see_each_other(namespace: str) -> None:
    store, other = (ServerStore.connect(URLS, namespace=name) for name in (namespace, f"{namespace}-other"))
    await store.build(record(FIRST), [ENTRIES])
    await store.activate(FIRST)
    await other.sweep()
    assert await other.names() == []
    assert await other.pointer() == (None, None)
    assert await store.pointer() == (FIRST, None)
    await store.close()
    await other.close()


async def test_questions_go_by_grpc(namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids and rows; what is read is what was written. By REST it would fail here."""
    store = ServerStore.connect(URLS, namespace=namespace, grpc_port=GRPC)
    await store.build(record(FIRST), [ENTRIES])
    index = await store.open(FIRST)
    for guarded in store._nodes._guarded:
        await asyncio.wait_for(connected(guarded._client._grpc), 10)  # type: ignore[attr-defined]
    monkeypatch.delattr(RestReads, "nearest_ids")
    monkeypatch.delattr(RestReads, "read_rows")
    results = {entry.id: entry for entry in await index.search(asking(AXES[0]), 9, {})}
    for entry in ENTRIES:
        assert results[entry.id].payload == entry.payload
        np.testing.assert_array_equal(results[entry.id].answer, entry.answer)
        np.testing.assert_array_equal(results[entry.id].questions, entry.questions)
        np.testing.assert_array_equal(results[entry.id].negatives, entry.negatives)
    await store.close()


def many() -> Iterator[list[Candidate]]:
    generator = np.random.default_rng(0)
    for start in range(0, MANY, 64):
        batch = []
        for number in range(start, min(start + 64, MANY)):
            rows = generator.standard_normal((3, DIMENSION), dtype=np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            payload: dict[str, Any] = {**ENTRIES[0].payload, "id": f"n{number}", "metadata": {"topic": "money"}}
            batch.append(Candidate(f"n{number}", payload, rows[:1], rows[1:2], rows[2:]))
        yield batch


@pytest.mark.server("build")
@pytest.mark.parametrize(
    "layout",
    [Layout(), Layout(on_disk=True, datatype="float16", quantization="int8"), Layout(shard_number=2)],
    ids=["default", "small", "two shards"],
)
async def test_a_large_release_finds_its_entries_once_it_is_built(namespace: str, layout: Layout) -> None:
    """Large enough for the server's graph; each setting is one that the server accepts."""
    store = ServerStore.connect(URLS, namespace=namespace, layout=layout)
    large = record(SECOND, MANY).model_copy(update={"dimension": DIMENSION})
    await store.build(large, many())
    index = await store.open(SECOND)
    sample = await index.sample(50)
    hits = 0
    for entry in sample:
        results = await index.search(Question("", entry.answer[0]), 10, {})
        hits += entry.id in {result.id for result in results}
    assert hits >= 0.9 * len(sample)
    await store.close()
