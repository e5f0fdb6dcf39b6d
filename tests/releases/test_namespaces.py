"""Two installations on one Qdrant server; the client's local mode stands in for the server.

It proves nothing about gRPC, green collections, quantisation or recall.
"""

import pytest
from qdrant_client import AsyncQdrantClient

from app.encoding.bundle import Bundle
from app.errors import Conflict, SettingsError
from app.index.server import ServerStore
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.releases.publishing import publish
from app.settings import Settings
from tests.conftest import FAQ, fill

pytestmark = pytest.mark.anyio


async def published(settings: Settings, bundle: Bundle, indexes: ServerStore, adopt: bool = False) -> str:
    catalog = Catalog(settings, indexes=indexes)
    store = Store.open(settings.sqlalchemy_url)
    try:
        await catalog.claim(store, adopt)
        return await publish(catalog, bundle, store.published())
    finally:
        store.close()


@pytest.fixture
def staging(settings: Settings) -> Settings:
    """A second installation with a store of its own, and other entries."""
    made = settings.model_copy(update={"home": settings.home.parent / "staging"})
    fill(settings, FAQ)
    fill(made, FAQ[:2])
    return made


async def test_staging_does_not_replace_what_production_answers(
    settings: Settings, staging: Settings, bundle: Bundle
) -> None:
    client = AsyncQdrantClient(":memory:")
    live = await published(settings, bundle, ServerStore(client))
    with pytest.raises(Conflict, match="another installation"):
        await published(staging, bundle, ServerStore(client))
    await published(staging, bundle, ServerStore(client, "staging"))
    assert await ServerStore(client).pointer() == (live, None)
    await published(staging, bundle, ServerStore(client), adopt=True)
    with pytest.raises(Conflict):
        await published(settings, bundle, ServerStore(client))
    await client.close()


def test_the_id_of_an_installation_stays(settings: Settings, staging: Settings) -> None:
    stores = [Store.open(made.sqlalchemy_url) for made in (settings, settings, staging)]
    first, copy, other = (store.installation for store in stores)
    for store in stores:
        store.close()
    assert first == copy
    assert first != other


@pytest.mark.parametrize("namespace", ["Production", "a--b", "x-previous", "active", "faq-x", "a_b", ""])
def test_a_namespace_that_could_be_mistaken_is_refused(namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAQ_NAMESPACE", namespace)
    with pytest.raises(SettingsError, match="FAQ_NAMESPACE"):
        Settings.read()
