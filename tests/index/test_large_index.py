"""An index that is too large to compare all of it: a graph and 8 bits, and nearly the same entries."""

from pathlib import Path

import numpy as np
import pytest
import qdrant_edge as edge

from app.errors import IndexUnavailable
from app.index import scan, shard
from app.index.candidates import Candidate, Question
from app.index.embedded import EmbeddedStore
from app.index.filters import AnyOf, fields_of
from app.index.protocol import IndexRecord

pytestmark = pytest.mark.anyio
NAME, DIMENSION, ENTRIES = "faq-0123456789ab-000000000001", 32, 600


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> list[Candidate]:
    """Random entries, some of several vectors, where already these are many."""
    monkeypatch.setattr(scan, "LIMIT", ENTRIES)
    monkeypatch.setattr(shard, "HNSW_CONFIG", edge.HnswIndexConfig(m=16, ef_construct=64, full_scan_threshold=1))
    random = np.random.default_rng(0)
    made = []
    for i in range(ENTRIES):
        vectors = random.standard_normal((3, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        payload = {
            "id": f"e{i}",
            "question": "",
            "phrasings": [],
            "negatives": [],
            "answer": f"{i}",
            "metadata": {"third": str(i % 3)},
        }
        made.append(Candidate(f"e{i}", payload, vectors[:1], vectors[1 : 1 + i % 3], vectors[:0]))
    return made


def record(entries: list[Candidate]) -> IndexRecord:
    return IndexRecord(
        name=NAME,
        bundle="0123456789ab",
        knowledge="000000000001",
        entries=len(entries),
        dimension=DIMENSION,
        created_at="2026-01-01T00:00:00Z",
        fields=fields_of(one.payload for one in entries),
    )


async def test_finds_nearly_what_comparing_all_finds(tmp_path: Path, entries: list[Candidate]) -> None:
    store = EmbeddedStore(tmp_path)
    await store.build(record(entries), [entries[:400], entries[400:]])
    index = await store.open(NAME)
    right = 0
    for i in range(0, ENTRIES, 20):
        question = entries[i].answer[0] + 0.1 * entries[i - 1].answer[0]
        found = {one.id for one in await index.search(Question("?", question), 10, {})}
        assert f"e{i}" in found
        scores = {one.id: float((one.answer @ question).max()) for one in entries}
        right += len(found & set(sorted(scores, key=lambda name: -scores[name])[:10]))
    assert right / (ENTRIES / 20 * 10) > 0.95
    third = await index.search(Question("?", entries[0].answer[0]), 10, {"third": AnyOf(("2",))})
    assert {one.payload["metadata"]["third"] for one in third} == {"2"}
    assert await index.count() == ENTRIES
    await index.close()


async def test_a_disk_without_room_for_the_graph_is_named(
    tmp_path: Path, entries: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "_bytes_on_disk", lambda directory: 2**60)
    store = EmbeddedStore(tmp_path)
    with pytest.raises(IndexUnavailable, match="nearly full"):
        await store.build(record(entries), [entries])
    assert await store.names() == []
