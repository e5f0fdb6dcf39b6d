"""An index that is too large to compare all of it: cells find nearly the same, with filters and increments too."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from app.arrays import Vectors
from app.errors import IndexUnavailable
from app.index import checksums, inverted_file, payload_file, scan, vector_file
from app.index.candidates import Candidate, Question
from app.index.embedded import EmbeddedStore
from app.index.filters import AnyOf, Filter, Range, fields_of, matches
from app.index.protocol import Index, IndexRecord
from tests.hits import lexical_of

pytestmark = pytest.mark.anyio
NAME, NEXT, DIMENSION, ENTRIES = "faq-0123456789ab-000000000001", "faq-0123456789ab-000000000002", 32, 900


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where already these entries are many: a seventh of their vectors is compared."""
    monkeypatch.setattr(scan, "LIMIT", ENTRIES)
    monkeypatch.setattr(inverted_file, "COMPARED", ENTRIES // 4)
    monkeypatch.setattr(vector_file, "MAPPED_BYTES", 0)
    monkeypatch.setattr(payload_file, "MAPPED_BYTES", 0)


@pytest.fixture(scope="module")
def entries() -> list[Candidate]:
    """Entries on 60 topics, some of several vectors."""
    random = np.random.default_rng(0)
    topics = random.standard_normal((60, DIMENSION))
    made = []
    for i in range(ENTRIES):
        vectors = (topics[i % 60] + 0.5 * random.standard_normal((4, DIMENSION))).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        metadata = {"third": str(i % 3), "number": i, "rare": i % 100 == 7}
        texts = {"question": "", "phrasings": [], "negatives": [], "answer": f"word{i} text"}
        payload = {"id": f"e{i}", **texts, "metadata": metadata}
        made.append(Candidate(f"e{i}", payload, vectors[:1], vectors[1 : 1 + i % 3], vectors[3:], digest=str(i)))
    return made


def record(entries: int = ENTRIES, **fields: object) -> IndexRecord:
    metadata = {"third": "0", "number": 1, "rare": True}
    values = {
        "name": NAME,
        "bundle": "0123456789ab",
        "knowledge": "000000000001",
        "entries": entries,
        "dimension": DIMENSION,
        "created_at": "2026-01-01T00:00:00Z",
        "fields": fields_of([{"metadata": metadata}]),
        "common_identifiers": [],
    }
    return IndexRecord.model_validate(values | fields)


@pytest.fixture
async def store(tmp_path: Path, entries: list[Candidate]) -> EmbeddedStore:
    store = EmbeddedStore(tmp_path)
    await store.build(record(), [entries[:400], entries[400:]])
    return store


def asked(entries: list[Candidate]) -> list[Vectors]:
    return [entries[i].answer[0] + 0.3 * entries[i - 1].answer[0] for i in range(0, ENTRIES, 30)]


async def recall(index: Index, entries: list[Candidate], where: Filter) -> float:
    """The share of the ten nearest entries, by answer and by phrasing, that a search finds; it finds no others."""
    allowed = [entry for entry in entries if matches(where, entry.payload["metadata"])]
    hits, wanted = 0, 0
    for question in asked(entries):
        found = {entry.id for entry in await index.search(Question("?", question), 10, where)}
        assert found <= {entry.id for entry in allowed}
        for side in ([entry.answer for entry in allowed], [entry.questions for entry in allowed]):
            nearness = [float((rows @ question).max(initial=-9)) for rows in side]
            best = [allowed[i].id for i in np.argsort(nearness)[::-1][:10] if nearness[i] > -9]
            hits, wanted = hits + len(found.intersection(best)), wanted + len(best)
    return hits / wanted


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"third": AnyOf(("2",))},
        {"number": Range(gte=150)},
        {"third": AnyOf(("0", "1")), "rare": AnyOf((True,))},
    ],
    ids=["all", "a third", "most", "few"],
)
async def test_finds_nearly_what_comparing_all_finds(
    store: EmbeddedStore, entries: list[Candidate], where: Filter
) -> None:
    index = await store.open(NAME)
    assert await recall(index, entries, where) > 0.95
    hits = await index.search(Question("word5", entries[5].answer[0]), 10, {})
    (first,) = (entry for entry in hits if entry.id == "e5")
    np.testing.assert_array_equal(first.questions, entries[5].questions)
    np.testing.assert_array_equal(first.negatives, entries[5].negatives)
    assert lexical_of(hits)["e5"] > 0
    assert len(await index.search(Question("word5", entries[5].answer[0]), 10, {"number": Range(gte=ENTRIES)})) == 0
    await index.close()


async def test_increments_hide_and_add_entries(store: EmbeddedStore, entries: list[Candidate]) -> None:
    added = entries[0]._replace(id="new", payload={**entries[0].payload, "id": "new"})
    await store.extend(record(name=NEXT, base=NAME, increment=1), NAME, [[added]], ["e0"])
    index = await store.open(NEXT)
    assert await recall(index, [added, *entries[1:]], {}) > 0.95
    assert await recall(index, [added, *entries[1:]], {"third": AnyOf(("0",))}) > 0.95
    assert [entry.id for entry in await index.entries(["e0", "new"])] == ["new"]
    await index.close()


async def test_large_files_are_compared_after_opening(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "AT_ONCE_BYTES", 0)
    damaged = tmp_path / NAME / "cells" / "answers" / "heads.npy"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    index = await store.open(NAME, at_once=True)
    with pytest.raises(IndexUnavailable, match=r"cells/answers/heads.npy is not what was built"):
        await index.verified()
    await index.close()
    with pytest.raises(IndexUnavailable, match=r"cells/answers/heads.npy is not what was built"):
        await store.open(NAME)
    damaged.unlink()
    with pytest.raises(IndexUnavailable, match=r"cells/answers/heads.npy is not what was built"):
        await store.open(NAME, at_once=True)


async def test_processes_that_start_together_compare_files_once(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "AT_ONCE_BYTES", 0)
    compared, check = [], checksums.check

    def slowly(directory: Path) -> None:
        time.sleep(0.3)
        compared.append(directory.name)
        check(directory)

    monkeypatch.setattr(checksums, "check", slowly)
    indexes = [await EmbeddedStore(tmp_path).open(NAME, at_once=True) for _ in range(3)]
    await asyncio.gather(*(index.verified() for index in indexes))
    assert compared == [NAME]
    for index in [*indexes, await EmbeddedStore(tmp_path).open(NAME)]:
        await index.close()
    assert compared == [NAME, NAME]


async def test_vectors_that_cannot_be_read_are_named(store: EmbeddedStore, tmp_path: Path) -> None:
    index = await store.open(NAME)
    (tmp_path / NAME / vector_file.VECTORS).write_bytes(b"")
    with pytest.raises(IndexUnavailable, match=f"The vectors of the release {NAME} cannot be read"):
        await index.sample(1)
    await index.close()
