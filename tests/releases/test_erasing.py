"""An erased entry leaves every file of every release, and the vectors of its texts go too."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.jobs.jobs import Jobs
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.releases.builder import Builder
from app.releases.erasing import forget_vectors
from app.releases.turns import UPDATE
from app.releases.vector_cache import CachedEncoder
from app.settings import Settings
from tests.conftest import FAQ
from tests.service import checked_client

SECRET = Entry(id="secret", question="Who keeps the wolf?", answer="Ann Example of turnip street.")


def files_with(directory: Path, text: str) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_no_release_holds_an_erased_entry(settings: Settings, bundle: Bundle, tmp_path: Path) -> None:
    store = Store.open(settings.sqlalchemy_url)
    with closing(store), closing(Builder(settings)) as builder:

        def updated() -> str:
            return builder.run(Jobs(store.database).queue(UPDATE).job_id)

        store.import_entries([*FAQ, SECRET], "replace")
        builder.reindex(bundle.directory)
        with store.edit("ann") as editor:
            editor.change("secret", lambda entry: entry.model_copy(update={"answer": "Ben Example."}), ["*"])
        updated()
        index = settings.home / "index"
        assert files_with(index, "Ann Example")
        assert files_with(index, "Ben Example")
        with store.edit("ann") as editor:
            editor.purge("secret", ["*"])
        last = updated()
        assert not files_with(settings.home, "Example")  # nor the database, its log and the vectors
        assert [path.name for path in index.glob("faq-*")] == [last]
        assert updated() == last


@pytest.mark.parametrize("act", ["purge", "archive"])
def test_without_its_last_entry_a_faq_answers_nothing_until_there_is_another(
    act: str, settings: Settings, bundle: Bundle
) -> None:
    store = Store.open(settings.sqlalchemy_url)
    with closing(store), closing(Builder(settings)) as builder:
        store.import_entries([SECRET], "replace")
        builder.reindex(bundle.directory)
        with store.edit("ann") as editor:
            editor.purge("secret", ["*"]) if act == "purge" else editor.archive("secret", ["*"])
        empty = builder.run(Jobs(store.database).queue(UPDATE).job_id)
        assert bool(files_with(settings.home, "Example")) == (act == "archive")
        with checked_client(settings) as client:
            asked = client.post("/v1/ask", json={"question": SECRET.question, "min_confidence": 0}).json()
            assert (asked["status"], asked["suggestions"], asked["release"]) == ("no_answer", [], empty)
            ready = client.get("/readyz")
            assert (ready.status_code, "no entries" in ready.json()["problem"]) == (200, True)
        with store.edit("ann") as editor:
            editor.create(FAQ[0])
        builder.run(Jobs(store.database).queue(UPDATE).job_id)
        with checked_client(settings) as client:
            reply = client.post("/v1/ask", json={"question": FAQ[0].question}).json()
            assert [answer["faq_id"] for answer in reply["answers"]] == [FAQ[0].id]
            assert client.get("/readyz").json() == {"status": "ready", "release": reply["release"]}


def test_the_vectors_of_an_erased_entry_are_computed_again(bundle: Bundle, tmp_path: Path) -> None:
    def known(texts: list[str]) -> int:
        """How many of the texts the cache holds."""
        computed: list[str] = []

        class Counting(Encoder):
            def encode_queries(self, texts: Sequence[str]) -> Vectors:
                computed.extend(texts)
                return super().encode_queries(texts)

        with CachedEncoder(Counting(bundle), tmp_path / f"{bundle.revision}.db") as cached:
            cached.encode_queries(texts)
        return len(texts) - len(computed)

    texts = [SECRET.question, FAQ[0].question]
    assert known(texts) == 0
    assert known(texts) == 2
    forget_vectors(tmp_path, [SECRET])
    assert known(texts) == 1


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_cache_that_cannot_be_changed_is_deleted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0123456789ab.db").write_bytes(content)
    forget_vectors(tmp_path, [SECRET])
    assert not (tmp_path / "0123456789ab.db").exists()
