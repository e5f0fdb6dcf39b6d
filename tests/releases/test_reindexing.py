"""The reindex job on either database: while it is written to, when it fails, and when its session ends."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.encoding.bundle import Bundle
from app.errors import Busy, NotReady
from app.jobs import lock
from app.jobs.jobs import Canceled, Jobs
from app.knowledge.database import Database
from app.knowledge.entry import Entry
from app.releases.catalog import Catalog
from app.releases.reindexing import reindex
from app.settings import Settings
from tests.conftest import FAQ, fill
from tests.waiting import PATIENCE_S


@pytest.fixture
def home(settings: Settings, url: str) -> Settings:
    """A FAQ_HOME with entries in a database of either kind, and no release."""
    settings = settings.model_copy(update={"database_url": url})
    fill(settings, FAQ)
    return settings


@pytest.fixture
def database(home: Settings) -> Iterator[Database]:
    database = Database.open(home.sqlalchemy_url)
    yield database
    database.close()


class Import(threading.Thread):
    """Another connection that holds the lock of an import for so long."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__()
        self._url, self._seconds = url, seconds
        self._holds = threading.Event()

    def start(self) -> None:
        """Returns when it holds the lock."""
        super().start()
        assert self._holds.wait(PATIENCE_S)

    def run(self) -> None:
        database = Database.open(self._url)
        with database.write():
            self._holds.set()
            time.sleep(self._seconds)
        database.close()


def edited(number: int) -> list[Entry]:
    return [FAQ[0].model_copy(update={"answer": f"Edition {number}."}), *FAQ[1:]]


def test_a_reindex_is_a_job_that_succeeds(home: Settings, database: Database, bundle: Bundle) -> None:
    shown: list[tuple[int, int]] = []
    release = reindex(home, bundle.directory, show=lambda done, total: shown.append((done, total)))
    (job,) = Jobs(database).recent()
    assert (job.status, job.kind, job.done, job.total, job.release) == ("succeeded", "reindex", 4, 4, release)
    assert shown[-1] == (4, 4)
    fill(home, edited(1))
    queued = Jobs(database).queue("reindex")
    assert reindex(home, job_id=queued.job_id) != release
    assert Jobs(database).get(queued.job_id).status == "succeeded"


def test_a_reindex_that_fails_is_a_job_that_says_why(home: Settings, database: Database) -> None:
    with pytest.raises(NotReady, match="reindex --bundle"):
        reindex(home)
    (job,) = Jobs(database).recent()
    assert job.status == "failed"
    assert "reindex --bundle" in str(job.error)


def test_a_second_reindex_is_refused_and_names_the_first(home: Settings, database: Database, bundle: Bundle) -> None:
    jobs = Jobs(database)
    with lock.writer(home.home, database):
        running = jobs.begin("reindex")
        with pytest.raises(Busy, match=running.job_id) as refused:
            reindex(home, bundle.directory)
    assert refused.value.job_id == running.job_id
    assert reindex(home, bundle.directory)
    assert jobs.get(running.job_id).status == "failed"


def test_a_job_canceled_during_the_build_does_not_switch(home: Settings, database: Database, bundle: Bundle) -> None:
    reindex(home, bundle.directory)
    jobs = Jobs(database)
    fill(home, edited(1))

    def cancel(done: int, total: int) -> None:
        if done == total:
            jobs.cancel(jobs.recent()[0].job_id)

    with pytest.raises(Canceled):
        reindex(home, show=cancel)
    canceled, before = jobs.recent()
    assert canceled.status == "canceled"
    assert asyncio.run(active(home)) == before.release


async def active(settings: Settings) -> str | None:
    catalog = Catalog(settings)
    try:
        return await catalog.active()
    finally:
        await catalog.close()


def test_a_session_of_postgresql_that_ends_does_not_fail_the_build(
    settings: Settings, postgres_url: str, bundle: Bundle
) -> None:
    home = settings.model_copy(update={"database_url": postgres_url})
    fill(home, FAQ)
    database = Database.open(postgres_url)

    def end_every_session(done: int, total: int) -> None:
        with database.read() as connection:
            mine = "datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}"))

    release = reindex(home, bundle.directory, show=end_every_session)
    (job,) = Jobs(database).recent()
    assert (job.status, job.release) == ("succeeded", release)
    database.close()


@pytest.mark.slow
def test_an_import_that_takes_longer_than_a_writer_waits_fails_no_reindex(
    home: Settings, database: Database, bundle: Bundle
) -> None:
    """On SQLite a writer waits for 15 seconds; on PostgreSQL a job does not wait for imports. The import begins with
    the build, which is done long before it."""
    importing = Import(home.sqlalchemy_url, 17 if database.engine.dialect.name == "sqlite" else 5)
    queued = Jobs(database).queue("reindex")

    def begin(done: int, total: int) -> None:
        if done == 0:
            importing.start()

    release = reindex(home, bundle.directory, queued.job_id, show=begin)
    importing.join()
    job = Jobs(database).get(queued.job_id)
    assert (job.status, job.release, job.done) == ("succeeded", release, 4)
