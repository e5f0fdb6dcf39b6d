"""Increments of the embedded index: their files, what they share, and what they need."""

import shutil
from pathlib import Path

import pytest

from app.errors import IndexUnavailable, NotFound
from app.index.candidates import Candidate
from app.index.embedded import EmbeddedStore
from app.index.filters import AnyOf, Range, fields_of, matches
from app.index.protocol import IndexRecord
from tests.index.test_index import AXES, ENTRIES, FIRST, SECOND, asking, record

pytestmark = pytest.mark.anyio
THIRD = "faq-0123456789ab-cccccccccccc"
NEW = ENTRIES[0]._replace(payload={**ENTRIES[0].payload, "answer": "new refunds"}, digest="new")


def increment(name: str, number: int, entries: int) -> IndexRecord:
    return record(name, entries).model_copy(update={"base": FIRST, "increment": number})


@pytest.fixture
async def store(tmp_path: Path) -> EmbeddedStore:
    """A publish, the increment that replaces its first entry, and the one that removes its last."""
    store = EmbeddedStore(tmp_path)
    await store.build(record(FIRST), [ENTRIES])
    await store.extend(increment(SECOND, 1, 4), FIRST, [[NEW]], [])
    await store.extend(increment(THIRD, 2, 3), SECOND, [], ["e3", "nobody"])
    return store


async def held(store: EmbeddedStore, name: str) -> dict[str, Candidate]:
    """The entries of a release, by a search that finds all."""
    index = await store.open(name)
    try:
        found = {entry.id: entry for entry in await index.search(asking(AXES[0]), 9, {})}
        assert await index.count() == len(await index.sample(9)) == len(found) == index.record.entries
        return found
    finally:
        await index.close()


async def test_each_release_of_a_line_keeps_what_it_held(store: EmbeddedStore) -> None:
    releases = {name: await held(store, name) for name in (FIRST, SECOND, THIRD)}
    assert {name: sorted(found) for name, found in releases.items()} == {
        FIRST: ["e0", "e1", "e2", "e3"],
        SECOND: ["e0", "e1", "e2", "e3"],
        THIRD: ["e0", "e1", "e2"],
    }
    answers = [found["e0"].payload["answer"] for found in releases.values()]
    assert answers == ["answer refunds", "new refunds", "new refunds"]


async def test_tells_entries_digests_and_what_its_files_hold(store: EmbeddedStore) -> None:
    index = await store.open(THIRD)
    assert await index.digests() == {"e0": "new", "e1": "", "e2": ""}
    assert {entry.id for entry in await index.entries(["e0", "e1", "e3", "nobody"])} == {"e0", "e1"}
    assert [await index.holds(name) for name in ("e0", "e3", "nobody")] == [True, True, False]
    await index.close()


async def test_a_preview_is_the_index_with_other_entries_and_writes_nothing(store: EmbeddedStore) -> None:
    files = sorted(path for path in store._directory.rglob("*"))
    index = await store.open(SECOND)
    preview = await index.preview([ENTRIES[0], NEW._replace(id="e9", payload={**NEW.payload, "id": "e9"})], ["e1"])
    found = {entry.id: entry for entry in await preview.search(asking(AXES[0]), 9, {})}
    assert sorted(found) == ["e0", "e2", "e3", "e9"]
    assert found["e0"].payload["answer"] == "answer refunds"
    await preview.close()
    assert len(await index.search(asking(AXES[0]), 9, {})) == 4
    await index.close()
    assert sorted(path for path in store._directory.rglob("*")) == files


async def test_the_releases_of_a_line_share_the_open_files_of_their_base(store: EmbeddedStore) -> None:
    indexes = [await store.open(name) for name in (FIRST, SECOND, THIRD)]
    assert len({id(index._segment) for index in indexes}) == 1
    for index in indexes[:2]:
        await index.close()
        await index.close()
    assert await indexes[2].count() == 3
    await indexes[2].close()
    reopened = await store.open(FIRST)
    assert reopened._segment is not indexes[0]._segment
    await reopened.close()


@pytest.mark.parametrize(
    "name", ["changes.json", "payloads.jsonl", "lines.npy", "vectors.f32", "words.npz", "lookup.npy"]
)
async def test_a_damaged_increment_is_named_and_those_before_it_open(store: EmbeddedStore, name: str) -> None:
    file = store._directory / SECOND / name
    file.write_bytes(file.read_bytes()[:-1] + b"~")
    store = EmbeddedStore(store._directory)
    for release in (SECOND, THIRD):
        with pytest.raises(IndexUnavailable, match=f"{SECOND} is damaged: {name}"):
            await store.open(release)
    assert len(await held(store, FIRST)) == 4


async def test_an_unknown_parent_is_refused(store: EmbeddedStore) -> None:
    with pytest.raises(NotFound):
        await store.extend(increment(THIRD[:-1] + "d", 3, 4), THIRD[:-1] + "e", [], [])


async def test_an_increment_without_its_base_is_no_release_to_open(store: EmbeddedStore) -> None:
    shutil.rmtree(store._directory / FIRST)
    with pytest.raises(NotFound, match=FIRST):
        await store.open(THIRD)


VALUES = [1, 1.0, True, False, "1", "2", 2, 2**53, ["a", "b"], ["1"], "None", "", -1.5]
FILTERS: list[AnyOf | Range] = [
    *(AnyOf((value,)) for value in (1, True, "1", 2**53 + 1, "b", "None", "")),
    AnyOf(("b", 2, False)),
    Range(lte=1),
    Range(gte=-2, lte=1.5),
]


async def test_a_search_finds_the_entries_that_meet_a_filter(tmp_path: Path) -> None:
    payloads = [{**ENTRIES[0].payload, "id": f"v{i}", "metadata": {"n": value}} for i, value in enumerate(VALUES)]
    payloads.append({**ENTRIES[0].payload, "id": "none", "metadata": {}})
    entries = [ENTRIES[0]._replace(id=payload["id"], payload=payload) for payload in payloads]
    store = EmbeddedStore(tmp_path)
    fields = {"fields": fields_of(payloads)}
    await store.build(record(FIRST, len(entries)).model_copy(update=fields), [entries])
    index = await store.open(FIRST)
    for condition in FILTERS:
        found = {entry.id for entry in await index.search(asking(AXES[0]), 50, {"n": condition})}
        assert found == {p["id"] for p in payloads if matches({"n": condition}, p["metadata"])}, condition
    await index.close()
