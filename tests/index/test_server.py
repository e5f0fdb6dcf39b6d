"""The index on a Qdrant server: namespaces, owners, increments, requests. Most run on the client's local mode.

The local mode is one process without nodes, shards, limits or background indexing: what it proves is which calls are
made and in which order, not how a server keeps them.
"""

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, models

from app.errors import Conflict, IndexUnavailable
from app.index.candidates import Candidate
from app.index.layout import Layout
from app.index.namespace import Namespace
from app.index.nodes import Nodes
from app.index.protocol import ANSWER, NEGATIVES, QUESTIONS, IndexRecord
from app.index.server import ServerStore
from app.index.upload import LIMIT_BYTES, _within
from tests.hits import lexical_of, matches_of
from tests.index.test_index import AXES, ENTRIES, FIRST, SECOND, asking, record

pytestmark = pytest.mark.anyio
THIRD = "faq-0123456789ab-cccccccccccc"


@pytest.fixture
async def client() -> AsyncIterator[AsyncQdrantClient]:
    made = AsyncQdrantClient(":memory:")
    yield made
    await made.close()


def impatient(client: AsyncQdrantClient) -> ServerStore:
    """A store that does not wait for entries that will never come."""
    return ServerStore(Nodes([client], settle_s=0.05))


async def collections(client: AsyncQdrantClient) -> list[str]:
    return [collection.name for collection in (await client.get_collections()).collections]


async def aliases(client: AsyncQdrantClient) -> dict[str, str]:
    return {alias.alias_name: alias.collection_name for alias in (await client.get_aliases()).aliases}


def increment(name: str, number: int, entries: int) -> IndexRecord:
    return record(name, entries).model_copy(update={"base": FIRST, "increment": number})


def changed(entry: Candidate, answer: str, axis: int) -> Candidate:
    return entry._replace(payload={**entry.payload, "answer": answer}, answer=AXES[[axis]])


async def answers(store: ServerStore, name: str) -> dict[str, str]:
    index = await store.open(name)
    return {entry.id: entry.payload["answer"] for entry in await index.search(asking(AXES[0]), 50, {})}


async def test_installations_with_namespaces_of_their_own_do_not_see_each_other(client: AsyncQdrantClient) -> None:
    production, staging = ServerStore(client), ServerStore(client, "staging")
    await production.build(record(FIRST), [ENTRIES])
    await production.activate(FIRST)
    await staging.claim("another store", adopt=False, bundles=[])
    await staging.build(record(SECOND), [ENTRIES])
    await staging.activate(SECOND)
    await staging.sweep()
    assert await production.names() == [FIRST]
    assert await staging.names() == [SECOND]
    assert await production.pointer() == (FIRST, None)
    assert await staging.pointer() == (SECOND, None)
    await staging.drop(FIRST)
    assert len(await answers(production, FIRST)) == 4


async def test_a_publisher_with_another_store_is_refused_unless_it_adopts(client: AsyncQdrantClient) -> None:
    first, second = ServerStore(client), ServerStore(client)
    await first.claim("first", adopt=False, bundles=[])
    await first.build(record(FIRST), [ENTRIES])
    await first.activate(FIRST)
    with pytest.raises(Conflict, match=r"namespace `faqtual`.*another installation.*reindex --adopt"):
        await second.claim("second", adopt=False, bundles=["0123456789ab"])
    await first.claim("first", adopt=False, bundles=[])
    await second.claim("second", adopt=True, bundles=[])
    with pytest.raises(Conflict):
        await first.claim("first", adopt=False, bundles=[])


async def test_a_namespace_taken_during_a_build_is_not_switched(client: AsyncQdrantClient) -> None:
    first, second = ServerStore(client), ServerStore(client)
    for store, owner in ((first, "first"), (second, "second")):  # both find nothing
        await store.claim(owner, adopt=False, bundles=[])
    await first.build(record(FIRST), [ENTRIES])
    await second.build(record(SECOND), [ENTRIES])
    await first.activate(FIRST)
    with pytest.raises(Conflict):
        await second.activate(SECOND)
    assert await second.pointer() == (FIRST, None)


async def legacy(client: AsyncQdrantClient, name: str, bundle: str = "0123456789ab") -> None:
    """A collection as versions before namespaces made it."""
    params = models.VectorParams(
        size=8,
        distance=models.Distance.DOT,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
    )
    held = record(name).model_copy(update={"bundle": bundle})
    await client.create_collection(
        name,
        dict.fromkeys((ANSWER, QUESTIONS, NEGATIVES), params),
        {"bm25": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        metadata={"record": held.model_dump(), "complete": True, "calibration": {"kept": 1}},
    )
    points = [
        models.PointStruct(id=number, vector={ANSWER: entry.answer.tolist()}, payload=entry.payload)
        for number, entry in enumerate(ENTRIES)
    ]
    await client.upsert(name, points)


async def point_at(client: AsyncQdrantClient, alias: str, name: str) -> None:
    create = models.CreateAlias(collection_name=name, alias_name=alias)
    await client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])


async def test_an_installation_of_an_earlier_version_goes_on_and_is_adopted(client: AsyncQdrantClient) -> None:
    other = "faq-ffffffffffff-cccccccccccc"
    for name in (FIRST, SECOND):
        await legacy(client, name)
    await legacy(client, other, "ffffffffffff")
    await point_at(client, "faqtual", SECOND)
    await point_at(client, "faqtual-previous", FIRST)
    store = ServerStore(client)
    assert await store.pointer() == (SECOND, FIRST)
    assert [held.name for held in await store.records()] == [FIRST, SECOND]
    assert len(await answers(store, SECOND)) == 4
    assert await store.calibration(SECOND) == {"kept": 1}
    with pytest.raises(Conflict, match="earlier version"):
        await store.claim("a store without the bundle", adopt=False, bundles=["eeeeeeeeeeee"])
    await store.claim("its store", adopt=False, bundles=["0123456789ab"])
    await store.build(record(THIRD), [ENTRIES])
    await store.activate(THIRD)
    assert await store.pointer() == (THIRD, SECOND)
    assert await store.names() == [FIRST, SECOND, THIRD]
    await store.activate(SECOND)
    assert await store.pointer() == (SECOND, THIRD)
    await store.activate(THIRD)
    await store.drop(FIRST)
    await store.sweep()
    assert FIRST not in await collections(client)
    assert other in await collections(client)  # of a bundle that this installation does not have
    with pytest.raises(IndexUnavailable, match="cannot be extended"):
        await store.extend(increment("faq-0123456789ab-dddddddddddd", 1, 4), SECOND, [], [])


async def test_an_earlier_version_that_switches_back_is_followed(client: AsyncQdrantClient) -> None:
    await legacy(client, FIRST)
    store = ServerStore(client)
    await store.build(record(SECOND), [ENTRIES])
    await store.activate(SECOND)
    await point_at(client, "faqtual", FIRST)
    assert (await store.pointer())[0] == FIRST


async def test_no_name_of_a_collection_is_used_twice(client: AsyncQdrantClient) -> None:
    store, seen = ServerStore(client), set()
    for _ in range(3):
        await store.build(record(FIRST), [ENTRIES])
        seen.update(await collections(client))
        await store.drop(FIRST)
    assert len(seen) == 3
    assert await collections(client) == []


async def test_a_build_that_failed_is_swept_and_nothing_else(client: AsyncQdrantClient) -> None:
    store = impatient(client)
    await client.create_collection("somebody-elses", {})
    await client.create_collection(Namespace("faqtual-two").new_collection(FIRST), {})
    kept = await collections(client)
    with pytest.raises(IndexUnavailable, match="5 entries of"):
        await store.build(record(FIRST, entries=5), [ENTRIES], waiting=bool)
    assert len(await collections(client)) == 3
    assert await store.names() == []
    await store.sweep()
    assert await collections(client) == kept


async def in_increments(store: ServerStore) -> None:
    """A publish and two increments: e0 is replaced twice, e1 removed, one entry is new."""
    await store.build(record(FIRST), [ENTRIES])
    await store.extend(increment(SECOND, 1, 3), FIRST, [[changed(ENTRIES[0], "second", 1)]], ["e1"])
    new = changed(ENTRIES[1], "new", 2)._replace(id="new")
    new.payload["id"] = "new"
    await store.extend(increment(THIRD, 2, 4), SECOND, [[changed(ENTRIES[0], "third", 2)], [new]], [])


BASE_ANSWERS = {f"e{i}": entry.payload["answer"] for i, entry in enumerate(ENTRIES)}
SECOND_ANSWERS = {"e0": "second", "e2": BASE_ANSWERS["e2"], "e3": BASE_ANSWERS["e3"]}
THIRD_ANSWERS = {**SECOND_ANSWERS, "e0": "third", "new": "new"}


async def test_each_increment_and_its_base_keep_what_they_hold(client: AsyncQdrantClient) -> None:
    store = ServerStore(client)
    await in_increments(store)
    assert await answers(store, FIRST) == BASE_ANSWERS
    assert await answers(store, SECOND) == SECOND_ANSWERS
    assert await answers(store, THIRD) == THIRD_ANSWERS
    assert len(await collections(client)) == 1
    third = await store.open(THIRD)
    assert await third.count() == 4
    assert {entry.id for entry in await third.sample(10)} == set(THIRD_ANSWERS)
    assert all(set(entry.payload) == set(ENTRIES[0].payload) for entry in await third.sample(10))
    assert await third.holds("e1")  # for the releases before


async def test_a_switch_between_increments_is_one_change_of_aliases(client: AsyncQdrantClient) -> None:
    store = ServerStore(client)
    await in_increments(store)
    for name, before in ((FIRST, None), (THIRD, FIRST), (SECOND, THIRD)):
        await store.activate(name)
        assert await store.pointer() == (name, before)
    held = await aliases(client)
    assert sum("-active-" in alias for alias in held) == 1
    assert sum("-previous-" in alias for alias in held) == 1
    assert set(held.values()) == set(await collections(client))


async def test_dropping_the_newest_increment_undoes_it(client: AsyncQdrantClient) -> None:
    store = ServerStore(client)
    await in_increments(store)
    await store.drop(THIRD)
    assert await store.names() == [FIRST, SECOND]
    assert await answers(store, SECOND) == SECOND_ANSWERS
    index = await store.open(FIRST)
    assert not await index.holds("new")
    await store.extend(increment(THIRD, 2, 2), SECOND, [], ["e0"])
    assert set(await answers(store, THIRD)) == {"e2", "e3"}
    for name in (THIRD, SECOND, FIRST):
        await store.drop(name)
    assert await collections(client) == []


@pytest.mark.parametrize("swept", [True, False])
async def test_what_an_interrupted_increment_left_is_undone(client: AsyncQdrantClient, swept: bool) -> None:
    store = impatient(client)
    await store.build(record(FIRST), [ENTRIES])
    with pytest.raises(IndexUnavailable):  # its record is wrong, so it ends after all points were written
        await store.extend(increment(SECOND, 1, 9), FIRST, [[changed(ENTRIES[0], "lost", 1)]], ["e1", "e2"])
    assert await answers(store, FIRST) == BASE_ANSWERS
    if swept:
        await store.sweep()
    await store.extend(increment(SECOND, 1, 3), FIRST, [], ["e3"])
    assert set(await answers(store, SECOND)) == {"e0", "e1", "e2"}


async def test_digests_of_each_entry_are_kept(client: AsyncQdrantClient) -> None:
    store = ServerStore(client)
    await store.build(record(FIRST), [[entry._replace(digest=f"d-{entry.id}") for entry in ENTRIES]])
    await store.build(record(SECOND), [ENTRIES])
    assert await (await store.open(FIRST)).digests() == {f"e{i}": f"d-e{i}" for i in range(4)}
    assert await (await store.open(SECOND)).digests() is None


def test_requests_are_bounded_by_bytes() -> None:
    sizes = [3, 3, 3, 20, 1, 1]
    points = [models.PointStruct(id=i, vector={}) for i in range(len(sizes))]
    groups = [[point.id for point in group] for group in _within(zip(points, sizes, strict=True), 6)]
    assert groups == [[0, 1], [2], [3], [4, 5]]


async def test_an_entry_too_large_for_a_request_is_named(client: AsyncQdrantClient) -> None:
    rows = np.ones((LIMIT_BYTES // (8 * 13) + 1, 8), dtype=np.float32)
    with pytest.raises(IndexUnavailable, match=r"The entry e0 is too large for a Qdrant server.*Divide it"):
        await ServerStore(client).build(record(FIRST), [[ENTRIES[0]._replace(questions=rows)]])


def described(layout: Layout, nodes: int) -> Sequence[object]:
    made = layout.collection(8, nodes)
    return [made[name] for name in ("replication_factor", "write_consistency_factor", "shard_number")]


def test_a_cluster_keeps_two_copies_unless_told_otherwise() -> None:
    assert described(Layout(), 1) == [1, 1, 1]
    assert described(Layout(), 3) == [2, 1, 1]
    assert described(Layout(3, 2, 6), 3) == [3, 2, 6]


def test_only_what_is_searched_gets_a_graph_and_quantised_copies() -> None:
    vectors = Layout(quantization="int8", datatype="float16", on_disk=True).collection(8, 1)["vectors_config"]
    assert vectors[NEGATIVES].hnsw_config.m == 0
    assert vectors[NEGATIVES].quantization_config is None
    assert vectors[ANSWER].hnsw_config.m is None
    assert vectors[QUESTIONS].quantization_config.scalar.type == models.ScalarType.INT8
    assert all(params.on_disk and params.datatype == models.Datatype.FLOAT16 for params in vectors.values())


async def test_a_collection_that_vanished_is_unavailable(client: AsyncQdrantClient) -> None:
    store = ServerStore(client)
    await store.build(record(FIRST), [ENTRIES])
    index = await store.open(FIRST)
    await store.drop(FIRST)
    with pytest.raises(IndexUnavailable):
        await index.search(asking(AXES[0]), 1, {})


@pytest.mark.parametrize("number", [0, 2])
async def test_a_preview_replaces_adds_and_removes_in_memory_alone(client: AsyncQdrantClient, number: int) -> None:
    store = ServerStore(client)
    await in_increments(store)
    index = await store.open((FIRST, SECOND, THIRD)[number])
    before = {entry.id for entry in await index.search(asking(AXES[0]), 50, {})}
    saved = changed(ENTRIES[0], "not saved", 3)
    new = saved._replace(id="unsaved", payload={**saved.payload, "id": "unsaved", "phrasings": ["What now?"]})
    preview = await index.preview([saved, new], ["e2"])
    hits = await preview.search(asking(AXES[0], "what now"), 50, {})
    found = {entry.id: entry for entry in hits}
    assert set(found) == {*before, "unsaved"} - {"e2"}
    assert found["e0"].payload["answer"] == "not saved"
    assert matches_of(hits)["unsaved"].same
    assert await preview.count() == len(found)
    assert {entry.id for entry in await preview.sample(50)} == set(found)
    further = await preview.preview([ENTRIES[2]])
    assert {entry.id for entry in await further.entries(["e2", "unsaved"])} == {"e2", "unsaved"}
    assert {entry.id for entry in await index.search(asking(AXES[0]), 50, {})} == before


async def test_words_are_counted_in_the_base_alone(client: AsyncQdrantClient) -> None:
    """Points that an increment replaced, which stay in the collection, change no score of words."""
    store = ServerStore(client)
    await store.build(record(FIRST), [ENTRIES])
    question = asking(AXES[0], "where are my turnips and refunds")
    before = lexical_of(await (await store.open(FIRST)).search(question, 9, {}))
    for number, name in enumerate((SECOND, THIRD), start=1):
        await store.extend(increment(name, number, 4), (FIRST, SECOND)[number - 1], [ENTRIES], [])
    after = lexical_of(await (await store.open(THIRD)).search(question, 9, {}))
    assert after == before
    assert max(before.values()) > 0
