"""What every test shares: clean settings, a small FAQ, a small bundle, and both published."""

import asyncio
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.http.security import digest_of
from app.knowledge.database import Database
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.releases.publishing import publish
from app.settings import Settings
from tests import bundles, postgres

ADMIN_KEY, ASK_KEY = "admin-key-of-the-tests", "ask-key-of-the-tests"

FAQ = [
    Entry(
        id="refund",
        question="When will I get my refund?",
        alternatives=("When do I get my money back?",),
        answer="Within five days of the return.",
        metadata={"category": "returns", "year": 2024, "public": True},
    ),
    Entry(
        id="password",
        question="How do I reset my password?",
        alternatives=("I lost my password", "change password"),
        answer="Use the link below the sign-in form.",
        metadata={"category": "account", "year": 2025},
    ),
    Entry(
        id="delivery",
        question="What is the delivery fee?",
        answer="Delivery is free above 50 euros.",
        metadata={"category": "delivery", "tags": ["fee", "money"]},
    ),
    Entry(id="passage", answer="We ship pets, wolves and turnips by order of the keeper."),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the trainer's files and those with slow tests first, so that both workers end at about the same time."""
    slow = {item.path for item in items if "trainer" in item.path.parts or item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Exempt imported modules from garbage collection: the full collections took half of a training's time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("FAQ_") and not name.startswith("FAQ_TEST"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundles.make(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundles.make(tmp_path_factory.mktemp("other"), seed=1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server for the session; skips with a reason where none can be started."""
    with postgres.server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'home' / 'knowledge.db'}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """An empty database, of each kind in turn."""
    database = Database.open(url)
    yield database
    database.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Edits wait for a reindex: tests of what they start by themselves say so."""
    home = tmp_path / "home"
    return Settings(home=home, port=0, admin_keys=(digest_of(ADMIN_KEY),), auto_reindex="off")


@pytest.fixture
def published(settings: Settings, bundle: Bundle) -> Settings:
    """A FAQ_HOME with the FAQ in its store and published."""
    fill(settings, FAQ)
    publish_home(settings, bundle)
    return settings


def fill(settings: Settings, entries: list[Entry]) -> None:
    """Make `entries` the knowledge."""
    store = Store.open(settings.sqlalchemy_url)
    store.import_entries(entries, "replace")
    store.close()


def publish_home(settings: Settings, bundle: Bundle) -> str:
    """Publish what the store holds, in this process; returns the release's name."""

    async def run() -> str:
        catalog = Catalog(settings)
        store = Store.open(settings.sqlalchemy_url)
        try:
            return await publish(catalog, bundle, store.published())
        finally:
            store.close()
            await catalog.close()

    return asyncio.run(run())
