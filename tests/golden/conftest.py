"""Golden questions beside the FAQ of the tests, in a database of either kind."""

from collections.abc import Iterator

import pytest

from app.golden.questions import GoldenStore
from app.knowledge.store import Store
from tests.conftest import FAQ


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store that holds the FAQ."""
    store = Store.open(url)
    store.import_entries(FAQ, "replace")
    yield store
    store.close()


@pytest.fixture
def golden(store: Store) -> GoldenStore:
    return GoldenStore(store.database)
