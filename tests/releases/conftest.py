"""The releases of a fresh home: in either kind of index, or only embedded."""

from collections.abc import AsyncIterator

import pytest

from app.releases.catalog import Catalog
from app.settings import Settings


@pytest.fixture(params=[None, ":memory:"])
async def catalog(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Catalog]:
    catalog = Catalog(settings.model_copy(update={"qdrant_url": request.param}))
    yield catalog
    await catalog.close()


@pytest.fixture
async def embedded(settings: Settings) -> AsyncIterator[Catalog]:
    catalog = Catalog(settings)
    yield catalog
    await catalog.close()
