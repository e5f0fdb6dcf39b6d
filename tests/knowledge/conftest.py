"""Fixtures: a fresh database for each test, and the shared data where a checkout has it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.knowledge.store import Store

REPOSITORY = Path(__file__).parents[2]
POSTGRES = os.environ.get("FAQ_TEST_POSTGRES_URL")  # an empty database that the tests may wipe


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "postgresql":
        assert POSTGRES
        _wipe(POSTGRES)
        return POSTGRES
    return f"sqlite:///{tmp_path / 'home' / 'knowledge.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store."""
    store = Store.open(url)
    yield store
    store.close()


@pytest.fixture
def shared() -> Path:
    """The folder of shared data; skips where there is none."""
    folder = Path(os.environ.get("FAQ_SHARED_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no shared data in {folder}")
    return folder


def _wipe(url: str) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
