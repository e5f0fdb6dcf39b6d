"""The database: opening, migrating, several processes at once, and failures in words."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event, insert, inspect, select, text

import app.questions.tables  # noqa: F401 - so that `Base` has them
from app.errors import SettingsError, StoreError
from app.golden.tables import GoldenRow
from app.jobs.jobs import Jobs
from app.jobs.table import JobRow
from app.knowledge.database import Database
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.knowledge.tables import Base
from tests.knowledge.conftest import REPOSITORY
from tests.waiting import PATIENCE_S

TABLES = ("entries", "jobs")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "knowledge.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{path}")
    yield database
    database.close()


def test_the_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    with store.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert GoldenRow.metadata is Base.metadata  # its tables are known only where they are imported
        assert compare_metadata(context, Base.metadata) == []


def test_the_schema_goes_back_and_forward_and_keeps_what_is_there(url: str, store: Store) -> None:
    entries = [Entry(id=f"{i:04}", question=f"FRAGE {i}?", answer="x", alternatives=("Straße",)) for i in range(2_100)]
    store.import_entries(entries, "append")
    with store.database.write() as connection:
        connection.execute(insert(JobRow), {"id": "1", "kind": "reindex", "status": "succeeded", "release": "faq-a-b"})
        command.downgrade(alembic_config(connection), "0001")
    with store.database.read() as connection:
        columns = {name: {column["name"] for column in inspect(connection).get_columns(name)} for name in TABLES}
        indexes = {name: {index["name"] for index in inspect(connection).get_indexes(name)} for name in TABLES}
    assert "searchable" not in columns["entries"]
    assert "lease_until" not in columns["jobs"]
    assert indexes == {"entries": {"ix_entries_position"}, "jobs": {"ix_jobs_created_at"}}
    reopened = Store.open(url)
    assert list(reopened.entries()) == entries
    assert reopened.page(search="frage 2099?").total == 1
    assert reopened.page(search="STRASSE").total == 2_100
    assert [job.release for job in Jobs(reopened.database).recent()] == ["faq-a-b"]
    with reopened.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert GoldenRow.metadata is Base.metadata  # its tables are known only where they are imported
        assert compare_metadata(context, Base.metadata) == []
    reopened.close()


def alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(REPOSITORY / "app" / "knowledge" / "migrations"))
    config.attributes["connection"] = connection
    return config


def test_sqlite_is_made_with_its_directory_and_in_wal_mode(tmp_path: Path) -> None:
    file = tmp_path / "100% new" / "home" / "knowledge.db"
    store = Store.open(f"sqlite:///{file}")
    with store.database.read() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
    store.close()
    assert file.is_file()


def test_opening_twice_keeps_what_is_there(url: str, store: Store) -> None:
    store.import_entries([Entry(id="a", answer="x")], "append")
    reopened = Store.open(url)
    assert reopened.get("a").answer == "x"
    reopened.close()


OPENER = """
import sys
from app.knowledge.entry import Entry
from app.knowledge.store import Store
sys.stdin.readline()
store = Store.open(sys.argv[1])
store.import_entries([Entry(id=sys.argv[2], answer="x")], "append")
store.close()
"""


def test_several_processes_may_open_a_new_database_at_once(url: str) -> None:
    arguments = [sys.executable, "-W", "error", "-c", OPENER, url]
    openers = [
        subprocess.Popen([*arguments, name], cwd=REPOSITORY, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in "abcd"
    ]
    for opener in openers:
        assert opener.stdin
        opener.stdin.write("go\n")
        opener.stdin.flush()
    assert [opener.communicate(timeout=PATIENCE_S)[1] for opener in openers] == [""] * 4
    store = Store.open(url)
    assert {entry.id for entry in store.entries()} == set("abcd")
    store.close()


def test_a_newer_database_is_refused(url: str, store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"written by a newer version of Faqtual \(schema 9999\); upgrade"):
        Store.open(url)


@pytest.mark.parametrize("url", ["nonsense", "nodialect://x/y", "sqlite+nodriver:///x"])
def test_an_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="FAQ_DATABASE_URL cannot be used"):
        Store.open(url)


def test_a_file_that_is_not_a_database_is_refused(path: Path) -> None:
    path.write_text("not a database at all " * 100)
    with pytest.raises(StoreError, match="the file is no SQLite database"):
        Store.open(f"sqlite:///{path}")


def test_a_directory_that_cannot_be_created_is_named(path: Path) -> None:
    path.write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Store.open(f"sqlite:///{path / 'below' / 'knowledge.db'}")
    with pytest.raises(StoreError, match="the file cannot be opened"):
        Store.open(f"sqlite:///{path.parent}")


def test_a_read_only_database_is_named(path: Path, database: Database) -> None:
    Store(database).import_entries([Entry(id="a", answer="x")], "append")
    store = Store.open(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert store.count() == 1
    with pytest.raises(StoreError, match="it may only be read"):
        store.delete("a")
    store.close()


def test_a_locked_database_is_a_temporary_failure(path: Path, database: Database) -> None:
    _on_connect(database, "PRAGMA busy_timeout=50")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process holds its lock"):
            Store(database).delete("a")
        assert Store(database).count() == 0
    Store(database).import_entries([Entry(id="a", answer="x")], "append")


def test_a_full_disk_is_named(database: Database) -> None:
    store = Store(database)
    store.import_entries([Entry(id="a", answer="x")], "append")
    _on_connect(database, "PRAGMA max_page_count=30")
    with pytest.raises(StoreError, match="the disk is full"):
        store.import_entries((Entry(id=str(i), answer="x" * 5_000) for i in range(100)), "replace")
    assert [entry.id for entry in store.entries()] == ["a"]


def test_errors_of_the_caller_pass_through_and_undo_the_transaction(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute(insert(JobRow), {"id": "1", "kind": "reindex", "status": "queued"})
            raise OSError("the caller's own")

    with pytest.raises(OSError, match="the caller's own"):
        write_and_fail()
    with database.read() as connection:
        assert connection.execute(select(JobRow.id)).all() == []


def test_a_job_has_defaults_and_times_in_utc(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(insert(JobRow), {"id": "1", "kind": "reindex", "status": "queued"})
        job = connection.execute(select(JobRow.done, JobRow.total, JobRow.error, JobRow.created_at)).one()
    assert job[:3] == (0, 0, None)
    assert job.created_at.tzinfo == UTC


def test_a_moment_without_time_zone_is_refused(database: Database) -> None:
    job = {"id": "1", "kind": "reindex", "status": "queued", "created_at": datetime(2026, 1, 1)}
    with pytest.raises(Exception, match="a moment needs a time zone"), database.write() as connection:
        connection.execute(insert(JobRow), job)


def _on_connect(database: Database, pragma: str) -> None:
    """Run a PRAGMA on every connection from now on."""

    def run(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(pragma)

    database.close()
    event.listen(database.engine, "connect", run)
