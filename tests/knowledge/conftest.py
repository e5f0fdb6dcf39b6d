"""Fixtures: an empty store of either database, and the shared data where a checkout has it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.knowledge.store import Store

REPOSITORY = Path(__file__).parents[2]
SHARED_DATA = Path(os.environ.get("FAQ_SHARED_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store."""
    store = Store.open(url)
    yield store
    store.close()


@pytest.fixture
def shared() -> Path:
    """The folder of shared data; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no shared data in {SHARED_DATA}")
    return SHARED_DATA
