"""Building and switching on a cluster whose nodes lag, index slowly and refuse large requests.

Every test runs on the stand-in of `tests.faults.qdrant`: its nodes hold everything, and it neither builds indexes nor
agrees by consensus. It proves nothing about gRPC, quantisation or recall. `make test-server` shows what a real cluster
does.
"""

import logging
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from app.index.candidates import Candidate
from app.index.server import ServerStore
from tests.faults.stand_in import StandIn, stand_in
from tests.index.in_increments import NAMES, InIncrements
from tests.index.test_index import AXES, ENTRIES, FIRST, SECOND, asking, record

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def cluster() -> Iterator[StandIn]:
    with stand_in(3) as running:
        yield running


@pytest.fixture
async def store(cluster: StandIn) -> AsyncIterator[ServerStore]:
    made = ServerStore.connect(",".join(cluster.urls), grpc_port=0)
    yield made
    cluster.behave()
    for name in (FIRST, *reversed(NAMES), SECOND):
        await made.drop(name)
    await made.close()


async def answers(store: ServerStore, name: str) -> set[str]:
    index = await store.open(name)
    return {entry.id for entry in await index.search(asking(AXES[0]), 10, {})}


async def test_what_is_written_is_seen_through_every_node_before_going_on(store: ServerStore, cluster: StandIn) -> None:
    cluster.behave(lag_s=0.1, own_lag_s=0.05)
    await InIncrements(store).build(record(FIRST), [ENTRIES])
    await store.calibrate(FIRST, {"kept": 1})
    await store.activate(FIRST)
    for url in cluster.urls:
        node = ServerStore.connect(url, grpc_port=0)
        assert await node.pointer() == (FIRST, None)
        assert await node.calibration(FIRST) == {"kept": 1}
        assert [held.name for held in await node.records()] == sorted([*NAMES, FIRST])
        assert await answers(node, FIRST) == {"e0", "e1", "e2", "e3"}
        await node.close()


async def test_without_reading_back_another_node_lags(store: ServerStore, cluster: StandIn) -> None:
    """The stand-in does lag, so the test above can fail."""
    cluster.behave(lag_s=1)
    other = ServerStore.connect(cluster.urls[1], grpc_port=0)
    client = store._nodes
    await client.create_collection("lagging", vectors_config={})
    names = [held.name for held in (await other._nodes.get_collections()).collections]
    await client.delete_collection("lagging")
    await other.close()
    assert "lagging" not in names


async def test_a_release_exists_only_once_its_indexes_are_built(
    store: ServerStore, cluster: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.behave(yellow_s=3600)
    caplog.set_level(logging.INFO)
    looks = 0

    def waiting() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            cluster.behave()  # the indexes are built now

    await store.build(record(FIRST), [ENTRIES], waiting)
    assert looks >= 3
    assert await store.names() == [FIRST]


async def test_a_build_that_waits_can_be_stopped(store: ServerStore, cluster: StandIn) -> None:
    cluster.behave(yellow_s=30)

    def canceled() -> None:
        raise KeyError("canceled")

    with pytest.raises(KeyError):
        await store.build(record(FIRST), [ENTRIES], canceled)
    assert await store.names() == []
    await store.sweep()
    assert await store._state.collections() == []


async def test_entries_of_many_phrasings_stay_below_the_limit_of_a_request(
    store: ServerStore, cluster: StandIn
) -> None:
    """64 entries of 100 phrasings of 384 numbers are one batch of the publisher, and more than 32 MiB as they were."""
    generator = np.random.default_rng(0)
    batch = []
    for number in range(64):
        rows = generator.standard_normal((101, 384), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        payload = {**ENTRIES[0].payload, "id": f"n{number}"}
        batch.append(Candidate(f"n{number}", payload, rows[:1], rows[1:], rows[:0]))
    large = record(FIRST, 64).model_copy(update={"dimension": 384})
    await store.build(large, [batch])
    index = await store.open(FIRST)
    assert await index.count() == 64
    (first,) = await index.entries(["n7"])
    np.testing.assert_allclose(first.questions, batch[7].questions, atol=1e-8)
    assert 2**20 < cluster.largest() < 8 * 2**20


async def test_a_node_that_lags_more_than_the_others_is_waited_for(store: ServerStore, cluster: StandIn) -> None:
    cluster.behave(lags_s={2: 0.3})
    await store.build(record(FIRST), [ENTRIES])
    node = ServerStore.connect(cluster.urls[2], grpc_port=0)
    assert await answers(node, FIRST) == {"e0", "e1", "e2", "e3"}
    await node.close()


async def test_the_stand_in_has_its_state_after_it_was_killed(store: ServerStore, cluster: StandIn) -> None:
    await store.build(record(FIRST), [ENTRIES])
    await store.activate(FIRST)
    cluster.kill()
    cluster.restart()
    assert await store.pointer() == (FIRST, None)
    assert await answers(store, FIRST) == {"e0", "e1", "e2", "e3"}
