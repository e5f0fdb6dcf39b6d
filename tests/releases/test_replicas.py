"""What replicas serve is announced in the database, and neither release nor bundle of it is pruned."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from app.encoding.bundle import Bundle
from app.knowledge.store import Store
from app.releases import replicas
from app.releases.catalog import Catalog
from app.releases.publishing import publish
from app.releases.replicas import Announcer, ReplicaRow, Replicas
from app.settings import Settings
from tests.conftest import FAQ


def test_what_a_replica_serves_is_known_until_it_leaves_or_its_lease_ends(url: str) -> None:
    store = Store.open(url)
    table = Replicas(store.database)
    table.announce("first", "a")
    table.announce("second", "b")
    table.announce("second", "c")
    assert table.served() == {"a", "c"}
    table.leave("first")
    assert table.served() == {"c"}
    with store.database.write() as connection:
        connection.execute(update(ReplicaRow).values(lease_until=ReplicaRow.lease_until - replicas.LEASE_S - 1))
    assert table.served() == set()
    store.close()


@pytest.mark.anyio
async def test_a_replica_announces_each_switch_and_leaves_when_it_ends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "LOOK_S", 0.01)
    store = Store.open(settings.sqlalchemy_url)
    table, served = Replicas(store.database), ["a"]
    announcer = Announcer(table, lambda: served[-1])

    async def announced(release: str) -> None:
        while True:
            if table.served() == {release}:
                return
            await asyncio.sleep(0.01)

    await asyncio.wait_for(announced("a"), 10)
    served.append("b")
    await asyncio.wait_for(announced("b"), 10)
    await announcer.close()
    assert table.served() == set()
    store.close()


@pytest.mark.anyio
async def test_neither_release_nor_bundle_that_a_replica_serves_is_pruned(
    settings: Settings, bundle: Bundle, other_bundle: Bundle, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"bundle_store": str(tmp_path / "store")})
    store = Store.open(settings.sqlalchemy_url)
    table = Replicas(store.database)
    catalog = Catalog(settings, replicas=table)
    await publish(catalog, bundle, FAQ)
    await catalog.share(other_bundle)
    other_bundle.install(catalog.models)
    table.announce("replica", f"faq-{other_bundle.revision}-{'0' * 12}")
    places = (catalog.models, tmp_path / "store" / settings.namespace)
    for kept in ({bundle.revision, other_bundle.revision}, {bundle.revision}):
        await catalog.prune()
        assert [{path.name for path in place.iterdir()} for place in places] == [kept, kept]
        table.leave("replica")
    await catalog.close()
    store.close()
