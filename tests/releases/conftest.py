"""The releases of a fresh home: in either kind of index, or embedded alone."""

from collections.abc import AsyncIterator

import pytest

from app.releases.catalog import Catalog
from app.settings import Settings


@pytest.fixture(params=[None, ":memory:"])
async def catalog(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Catalog]:
    made = Catalog(settings.model_copy(update={"qdrant_url": request.param}))
    yield made
    await made.close()


@pytest.fixture
async def embedded(settings: Settings) -> AsyncIterator[Catalog]:
    made = Catalog(settings)
    yield made
    await made.close()
