"""Replicas with a home of their own get bundles from FAQ_BUNDLE_STORE."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.encoding import bundle_store
from app.encoding.bundle import MODEL, Bundle
from app.encoding.bundle_store import BundleStore
from app.errors import BundleError, BundleStoreError, SettingsError
from app.index.embedded import EmbeddedStore
from app.releases.catalog import Catalog
from app.releases.live import Live
from app.releases.publishing import publish
from app.settings import Settings
from tests.conftest import FAQ


@pytest.fixture(params=["", "file://", "memory://"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BundleStore:
    """A store in a directory, then at URLs with folders and without them."""
    return BundleStore(f"{request.param}{tmp_path}/store", "staging")


class Quiet(SimpleHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Not logged."""


@contextmanager
def http_server(directory: Path) -> Iterator[str]:
    """The URL of a web server that serves a directory."""
    handler = partial(Quiet, directory=str(directory))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_uploaded_bundle_is_pulled_whole(store: BundleStore, bundle: Bundle, tmp_path: Path) -> None:
    store.upload(bundle)
    store.upload(bundle)
    pulled = store.pull(bundle.revision, tmp_path / "models")
    assert pulled.directory == tmp_path / "models" / bundle.revision
    assert Bundle.load(pulled.directory).manifest == bundle.manifest
    assert [path.name for path in (tmp_path / "models").iterdir()] == [bundle.revision]


def test_a_bundle_is_pruned_unless_it_is_kept(
    store: BundleStore, bundle: Bundle, other_bundle: Bundle, tmp_path: Path
) -> None:
    for uploaded in (bundle, other_bundle):
        store.upload(uploaded)
    store.prune({other_bundle.revision})
    store.pull(other_bundle.revision, tmp_path / "models")
    with pytest.raises(BundleError):
        store.pull(bundle.revision, tmp_path / "models")
    store.upload(bundle)  # which this process has uploaded before
    assert BundleStore.pull(store, other_bundle.revision, tmp_path / "again")


def test_a_damaged_copy_is_never_installed_and_the_next_publisher_replaces_it(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_store, "RETRY_S", 0.0)
    place, models = tmp_path / "store" / "faqtual" / bundle.revision, tmp_path / "models"
    BundleStore(str(tmp_path / "store"), "faqtual").upload(bundle)
    (place / MODEL).write_bytes(b"damaged")
    replica = BundleStore(str(tmp_path / "store"), "faqtual")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        replica.pull(bundle.revision, models)
    assert list(models.iterdir()) == []
    BundleStore(str(tmp_path / "store"), "faqtual").upload(bundle)
    assert replica.pull(bundle.revision, models).manifest == bundle.manifest


def test_a_directory_that_a_web_server_serves_can_be_read_and_not_written(
    bundle: Bundle, other_bundle: Bundle, tmp_path: Path
) -> None:
    BundleStore(str(tmp_path / "store"), "faqtual").upload(bundle)
    with http_server(tmp_path / "store") as url:
        replica = BundleStore(url, "faqtual")
        assert replica.pull(bundle.revision, tmp_path / "models").manifest == bundle.manifest
        with pytest.raises(BundleError, match=f"{url}/faqtual/{other_bundle.revision}"):
            replica.pull(other_bundle.revision, tmp_path / "models")
        with pytest.raises(BundleStoreError, match="cannot be written"):
            replica.upload(other_bundle)


def test_a_url_of_a_kind_that_is_not_installed_is_refused_with_what_to_install() -> None:
    with pytest.raises(SettingsError, match=r"faqtual\[bundles\]"):
        BundleStore("nowhere://bucket", "faqtual")


def test_a_password_in_the_url_is_not_shown() -> None:
    assert BundleStore("memory://user:secret@host/path", "faqtual").place == "memory://host/path/faqtual"


@pytest.mark.anyio
async def test_a_replica_answers_from_the_old_release_until_it_can_pull_the_bundle_of_the_new(
    settings: Settings, bundle: Bundle, other_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_store, "RETRY_S", 0.0)
    settings = settings.model_copy(update={"bundle_store": str(tmp_path / "store")})
    publisher = Catalog(settings)
    indexes = EmbeddedStore(settings.home / "index")  # the replica's, as on a server that both reach
    replica = Catalog(settings.model_copy(update={"home": tmp_path / "replica"}), indexes=indexes)
    first = await publish(publisher, bundle, FAQ)
    live = Live(replica)
    await live.follow()
    assert live.release == first
    assert live.problem is None
    second = await publish(publisher, other_bundle, FAQ)
    hidden = tmp_path / "store" / "faqtual" / other_bundle.revision
    hidden.rename(tmp_path / "hidden")
    await live.follow()
    assert live.release == first
    assert live.problem is not None
    assert all(place in live.problem for place in (str(hidden), str(replica.models / other_bundle.revision)))
    async with live.answerer() as answerer:
        assert (await answerer.ask(["change password"]))[0].answers[0].id == "password"
    shutil.move(tmp_path / "hidden", hidden)
    await live.follow()
    assert live.release == second
    assert live.problem is None
    await live.close()
    await publisher.close()
    await replica.close()
