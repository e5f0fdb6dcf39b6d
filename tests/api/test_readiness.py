"""Readiness probes run one at a time, and their result is cached, whether they pass or fail."""

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest

from app.answering import Answerer
from app.encoding.bundle import Bundle
from app.errors import IndexUnavailable
from app.index import vector_file
from app.index.embedded import EmbeddedStore
from app.releases import readiness
from app.releases.catalog import Catalog
from app.releases.live import Live
from app.releases.readiness import Readiness
from app.settings import Settings
from tests.conftest import publish_home
from tests.service import checked_client
from tests.waiting import wait_until


class Encodings:
    """Counts the questions that were encoded."""

    count = 0

    def waited(self, seconds: float) -> None:
        """Not counted."""

    def encoded(self, questions: int, seconds: float) -> None:
        self.count += questions

    def cached(self, questions: int) -> None:
        """Not counted."""

    def searched(self, seconds: float) -> None:
        """Not counted."""


@pytest.fixture
def encodings() -> Encodings:
    return Encodings()


@pytest.fixture
async def live(published: Settings, encodings: Encodings) -> AsyncIterator[Live]:
    live = Live(Catalog(published, encodings))
    await live.follow()
    encodings.count = 0
    yield live
    await live.close()


@pytest.mark.anyio
async def test_concurrent_probes_encode_once(live: Live, encodings: Encodings, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = Readiness()
    assert set(await asyncio.gather(*(ready.check(live) for _ in range(20)))) == {live.release}
    assert await ready.check(live) == live.release
    assert encodings.count == 1
    monkeypatch.setattr(readiness, "CHECK_EVERY_S", 0.0)
    await ready.check(live)
    assert encodings.count == 2


@pytest.mark.anyio
async def test_a_failing_probe_runs_once_too(published: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "MAPPED_BYTES", 0)  # as for the vectors of a large index, which are read
    live = Live(Catalog(published))
    await live.follow()
    (vectors,) = published.home.glob(f"index/*/{vector_file.VECTORS}")
    vectors.write_bytes(b"")
    probe, probes = readiness._probe, []

    async def counted(answerer: Answerer) -> readiness._Result:
        probes.append(answerer.release)
        return await probe(answerer)

    monkeypatch.setattr(readiness, "_probe", counted)
    ready = Readiness()
    results = await asyncio.gather(*(ready.check(live) for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {IndexUnavailable}
    assert len(probes) == 1
    await live.close()


def test_a_replica_that_lacks_the_bundle_of_the_active_release_answers_from_the_old_one_and_says_so(
    published: Settings, other_bundle: Bundle, bundle: Bundle
) -> None:
    other = publish_home(published, other_bundle)
    release = publish_home(published, bundle)
    with checked_client(published) as client:
        assert client.get("/readyz").json() == {"status": "ready", "release": release}
        missing = published.home / "models" / other_bundle.revision
        shutil.rmtree(missing)
        asyncio.run(EmbeddedStore(published.home / "index").activate(other))
        wait_until(lambda: "problem" in client.get("/readyz").json())
        ready = client.get("/readyz").json()
        assert (ready["status"], ready["release"]) == ("ready", release)
        assert str(missing) in ready["problem"]
