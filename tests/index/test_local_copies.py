"""Copies of a server's releases on the machine of a replica. The client's local mode stands in for the server.

It proves nothing about gRPC, green collections, quantisation or recall.
"""

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient

from app.errors import IndexUnavailable
from app.index import local_copies
from app.index.collection import ServerIndex
from app.index.local_copies import LocalCopies
from app.index.nodes import Nodes
from app.index.payload_file import PAYLOADS
from app.index.release import EmbeddedIndex
from app.index.server import ServerStore
from tests.hits import lexical_of, matches_of
from tests.index.test_index import AXES, ENTRIES, FIRST, SECOND, asking, record
from tests.index.test_server import THIRD, THIRD_ANSWERS, in_increments

pytestmark = pytest.mark.anyio


class Switchable(Nodes):
    """Nodes that go away and come back."""

    away = False
    scrolls = 0

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN204
        if self.away:
            raise ConnectionError("the server is away")
        self.scrolls += name == "scroll"
        return super().__getattr__(name)


@pytest.fixture
async def nodes() -> AsyncIterator[Switchable]:
    made = Switchable([AsyncQdrantClient(":memory:")])
    yield made
    await made.close()


@pytest.fixture
async def server(nodes: Switchable) -> ServerStore:
    """A publish and two increments; the last is active."""
    store = ServerStore(nodes)
    await in_increments(store)
    await store.calibrate(THIRD, {"kept": 1})
    await store.activate(THIRD)
    return store


async def answers(copies: LocalCopies, name: str) -> dict[str, str]:
    index = await copies.open(name)
    assert isinstance(index, EmbeddedIndex)
    held = {entry.id: entry.payload["answer"] for entry in await index.search(asking(AXES[0]), 50, {})}
    await index.close()
    return held


async def test_a_copy_answers_as_its_release(server: ServerStore, tmp_path: Path) -> None:
    copies = LocalCopies(server, tmp_path, limit=100)
    assert await copies.active() == THIRD
    index, original = await copies.open(THIRD), await server.open(THIRD)
    assert (index.record, index.calibration) == (original.record, {"kept": 1})
    question = asking(AXES[2], "where are my turnips")
    copied, asked = await index.search(question, 9, {}), await original.search(question, 9, {})
    assert set(copied.ids()) == set(asked.ids()) == THIRD_ANSWERS.keys()
    assert {entry.id: entry.payload for entry in copied} == {entry.id: entry.payload for entry in asked}
    assert matches_of(copied) == matches_of(asked)
    assert lexical_of(copied) == pytest.approx(lexical_of(asked), rel=1e-5)
    await index.close()
    copies.close()


async def test_only_what_a_later_increment_changed_is_read_again(
    server: ServerStore, nodes: Switchable, tmp_path: Path
) -> None:
    copies = LocalCopies(server, tmp_path, limit=100)
    await answers(copies, SECOND)
    nodes.scrolls = 0
    assert await answers(copies, THIRD) == THIRD_ANSWERS
    assert nodes.scrolls == 2  # what it added, and what it replaced or removed
    assert await answers(copies, THIRD) == THIRD_ANSWERS
    assert nodes.scrolls == 2
    copies.close()


async def test_a_server_that_is_away_stops_switches_alone(
    server: ServerStore, nodes: Switchable, tmp_path: Path
) -> None:
    copies = LocalCopies(server, tmp_path, limit=100)
    index = await copies.open(THIRD)
    assert await copies.active() == THIRD
    nodes.away = True
    assert len(await index.search(asking(AXES[0]), 50, {})) == 4
    await index.close()
    with pytest.raises(IndexUnavailable):
        await copies.open(FIRST[:-1] + "0")
    copies.close()
    restarted = LocalCopies(server, tmp_path, limit=100)
    assert await restarted.active() == THIRD
    assert await answers(restarted, THIRD) == THIRD_ANSWERS
    restarted.close()


async def test_a_server_that_goes_away_right_after_a_switch_does_not_bring_the_release_before_back(
    server: ServerStore, nodes: Switchable, tmp_path: Path
) -> None:
    copies = LocalCopies(server, tmp_path, limit=100)
    await server.activate(SECOND)
    assert await copies.active() == SECOND
    await answers(copies, SECOND)
    await server.activate(THIRD)
    assert await copies.active() == THIRD
    await answers(copies, THIRD)
    nodes.away = True
    assert await copies.active() == THIRD
    copies.close()


async def test_a_copy_does_not_take_the_place_of_a_later_release_that_is_too_large_for_one(
    server: ServerStore, nodes: Switchable, tmp_path: Path
) -> None:
    copies = LocalCopies(server, tmp_path, limit=100)
    await answers(copies, THIRD)
    assert await copies.active() == THIRD
    copies.close()
    small = LocalCopies(server, tmp_path, limit=3)
    await small.open(THIRD)
    await server.build(record(other := "faq-0123456789ab-eeeeeeeeeeee"), [ENTRIES])
    await server.activate(other)
    assert await small.active() == other
    await small.open(other)
    nodes.away = True
    with pytest.raises(IndexUnavailable):
        await small.active()
    small.close()


async def test_without_a_copy_and_without_a_server_nothing_is_known(
    server: ServerStore, nodes: Switchable, tmp_path: Path
) -> None:
    nodes.away = True
    copies = LocalCopies(server, tmp_path, limit=100)
    with pytest.raises(IndexUnavailable):
        await copies.active()
    copies.close()


async def test_a_large_release_is_asked_on_the_server(server: ServerStore, tmp_path: Path) -> None:
    copies = LocalCopies(server, tmp_path, limit=3)
    index = await copies.open(THIRD)
    assert isinstance(index, ServerIndex)
    copies.close()


async def test_a_damaged_or_outdated_copy_is_made_again(server: ServerStore, tmp_path: Path) -> None:
    copies = LocalCopies(server, tmp_path, limit=100)
    await answers(copies, THIRD)
    (tmp_path / "0" / FIRST / PAYLOADS).unlink()
    assert await answers(copies, THIRD) == THIRD_ANSWERS
    for name in (THIRD, SECOND, FIRST):
        await server.drop(name)
    await server.build(record(FIRST, 2, "2027-01-01T00:00:00Z"), [ENTRIES[:2]])
    assert set(await answers(copies, FIRST)) == {"e0", "e1"}
    copies.close()


async def test_copies_that_were_replaced_are_deleted_after_a_while(
    server: ServerStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_copies, "TIDY_S", 0.0)
    copies = LocalCopies(server, tmp_path, limit=100)
    held = await copies.open(THIRD)
    other = "faq-0123456789ab-eeeeeeeeeeee"
    await server.build(record(other), [ENTRIES])
    await server.activate(other)
    await answers(copies, other)
    for _ in range(2):
        assert await copies.active() == other
    assert (tmp_path / "0" / THIRD).exists()  # in use
    await held.close()
    del held
    gc.collect()
    await copies.active()
    assert sorted(path.name for path in (tmp_path / "0").glob("faq-*")) == [other]
    copies.close()


async def test_two_processes_have_copies_of_their_own(server: ServerStore, tmp_path: Path) -> None:
    first, second = (LocalCopies(server, tmp_path, limit=100) for _ in range(2))
    await answers(first, THIRD)
    await answers(second, THIRD)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"0", "1"}
    first.close()
    second.close()
