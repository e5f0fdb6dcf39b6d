"""Rows of a Qdrant server that a process keeps. The client's local mode stands in for the server.

It proves nothing about gRPC, green collections, quantisation or recall.
"""

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from app.index import row_cache
from app.index.rest_reads import RestReads
from app.index.row_cache import RowCache
from app.index.rows import Row
from app.index.server import ServerStore
from tests.index.test_index import AXES, ENTRIES, FIRST, SECOND, asking, record
from tests.index.test_server import THIRD, changed, increment

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store() -> AsyncIterator[ServerStore]:
    made = ServerStore(AsyncQdrantClient(":memory:"))
    await made.build(record(FIRST), [ENTRIES])
    yield made
    await made.close()


async def answer(store: ServerStore, name: str) -> str:
    """The answer of e0 in a release."""
    index = await store.open(name)
    (entry,) = (entry for entry in await index.search(asking(AXES[0]), 9, {}) if entry.id == "e0")
    return str(entry.payload["answer"])


async def test_an_increment_that_uses_the_ids_of_a_dropped_one_is_not_answered_from_its_rows(
    store: ServerStore,
) -> None:
    await store.extend(increment(SECOND, 1, 4), FIRST, [[changed(ENTRIES[0], "dropped", 0)]], [])
    assert await answer(store, SECOND) == "dropped"
    await store.drop(SECOND)
    await store.extend(increment(THIRD, 1, 4), FIRST, [[changed(ENTRIES[0], "new", 0)]], [])
    assert await answer(store, THIRD) == "new"
    assert await answer(store, FIRST) == ENTRIES[0].payload["answer"]


async def test_an_entry_is_shared_by_the_releases_that_hold_it(store: ServerStore) -> None:
    await answer(store, FIRST)
    kept = len(store._cache._rows)
    await store.extend(increment(SECOND, 1, 4), FIRST, [[changed(ENTRIES[0], "second", 0)]], [])
    assert await answer(store, SECOND) == "second"
    assert kept == 4
    assert len(store._cache._rows) == 5


async def test_many_missing_rows_are_read_in_calls_of_bounded_size(
    store: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_cache, "ROWS", 3)
    calls: list[int] = []
    read_rows = RestReads.read_rows

    async def counted(reads: RestReads, collection: str, ids: Sequence[int]) -> dict[int, Row]:
        calls.append(len(ids))
        return await read_rows(reads, collection, ids)

    monkeypatch.setattr(RestReads, "read_rows", counted)
    await answer(store, FIRST)
    await answer(store, FIRST)
    assert calls == [3, 1]


def made(rows: int, dimension: int = 384) -> Row:
    vectors = np.random.default_rng(0).standard_normal((rows, dimension), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Row.of(ENTRIES[0].payload, {"answer": vectors[:1], "questions": vectors[1:]}, [1, 2], [0.5, 0.5])


def test_the_cache_is_bounded_by_bytes() -> None:
    size = made(6).size
    assert 6 * 384 * 2 < size < 6 * 384 * 2 + 4_000
    cache = RowCache(10 * size)
    for number in range(20):
        cache.put(("release", number), made(6))
    assert cache.get(("release", 9)) is None
    assert cache.get(("release", 10)) is not None
    cache.put(("release", 20), made(100))  # larger than the whole cache
    assert cache.get(("release", 20)) is None


async def test_without_memory_every_row_is_read_again() -> None:
    store = ServerStore(AsyncQdrantClient(":memory:"), cache=RowCache(0))
    await store.build(record(FIRST), [ENTRIES])
    for _ in range(2):
        assert await answer(store, FIRST) == ENTRIES[0].payload["answer"]
    assert len(store._cache._rows) == 0


def test_half_precision_changes_similarities_by_less_than_half_a_thousandth() -> None:
    generator = np.random.default_rng(1)
    vectors = generator.standard_normal((1_000, 384), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    row = Row.of(ENTRIES[0].payload, {"answer": vectors}, [], [])
    assert np.abs(row.vectors.astype(np.float32) @ vectors[0] - vectors @ vectors[0]).max() < 0.0005
