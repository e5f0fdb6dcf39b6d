"""The releases of a fresh home: in either kind of index, or only embedded."""

from collections.abc import AsyncIterator

import pytest
from qdrant_client import AsyncQdrantClient

from app.index.nodes import Nodes
from app.index.server import ServerStore
from app.releases.catalog import Catalog
from app.settings import Settings


@pytest.fixture(params=["embedded", "server"])
async def catalog(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Catalog]:
    """Releases in the embedded index, then in the client's own local mode, which needs no server."""
    store = ServerStore(Nodes([AsyncQdrantClient(":memory:")], settle_s=0.1)) if request.param == "server" else None
    catalog = Catalog(settings, indexes=store)
    yield catalog
    await catalog.close()


@pytest.fixture
async def embedded(settings: Settings) -> AsyncIterator[Catalog]:
    catalog = Catalog(settings)
    yield catalog
    await catalog.close()
