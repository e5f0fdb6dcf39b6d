"""The connection to the database: opening, migrations, transactions, and errors as StoreError. Knows no entries."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import SettingsError, StoreError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 15
_CONNECT_SECONDS = 5
_KEEPALIVES = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}  # seconds: a dead peer is noticed
_STATEMENT_TIMEOUT = "SET statement_timeout = '60s'"
WRITE_LOCK = 0x666171  # one writer of entries at a time on PostgreSQL, as SQLite has it for every writer

_CAUSES = {
    "database is locked": "another process holds its lock; try again when it is done",
    "database or disk is full": "the disk is full",
    "attempt to write a readonly database": "it may only be read; check the permissions of the file and its directory",
    "unable to open database file": "the file cannot be opened; check the path and its permissions",
    "file is not a database": "the file is no SQLite database",
    "disk I/O error": "the disk failed; check its space and health",
}


class Database:
    """An engine whose transactions are explicit and whose failures are StoreError. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(faqtual_write=True)
        self._reader = engine
        if engine.dialect.name != "sqlite":  # SQLite's transactions always see one state
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ")

    @classmethod
    def open(cls, url: str) -> "Database":
        """Connect and migrate; a SQLite file and its directory are created. Raises SettingsError for an unusable URL,
        StoreError when the database cannot be used or was written by a newer version."""
        database = cls(_engine(url))
        try:
            with database.failures():
                if database.engine.dialect.name == "sqlite":
                    _prepare_sqlite(database.engine)
            database.migrate()
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state and changes nothing. Raises StoreError."""
        with self.failures(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self, lock: int | None = WRITE_LOCK) -> Iterator[Connection]:
        """A transaction that holds a write lock from its start. Raises StoreError.

        SQLite has one lock for all writers. PostgreSQL takes the advisory lock with the number `lock`, or with None no
        lock but those of the rows that are written, which does not wait for an import.
        """
        with self.failures(), self._writer.begin() as connection:
            if lock is not None and connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock})
            yield connection

    def session(self) -> Connection:
        """A connection on which each statement is a transaction of its own. Close it. Raises StoreError."""
        with self.failures():
            return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def empty_wal(self) -> None:
        """Empty SQLite's write-ahead log, which holds pages as they were before an erasure; as far as readers allow."""
        if self.engine.dialect.name == "sqlite":
            with suppress(StoreError), self.failures(), self.session() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def failures(self) -> AbstractContextManager[None]:
        """A block in which the database's failures become StoreError."""
        return _failures(self.engine.url)

    def migrate(self) -> None:
        """Bring the schema up to date; several processes may do so at once. Raises StoreError."""
        with self.read() as connection:
            if self._is_current(connection):
                return
        with self.write() as connection:
            if not self._is_current(connection):
                config = _alembic()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _is_current(self, connection: Connection) -> bool:
        script = ScriptDirectory.from_config(_alembic())
        current = MigrationContext.configure(connection).get_current_revision()
        revisions = {migration.revision for migration in script.walk_revisions()}
        if current is not None and current not in revisions:
            shown = self.engine.url.render_as_string(hide_password=True)
            raise StoreError(f"{shown} was written by a newer version of Faqtual (schema {current}); upgrade Faqtual.")
        return current == script.get_current_head()


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_timeout": _BUSY_SECONDS}
        if parsed.get_backend_name() == "sqlite":
            options = {"connect_args": {"timeout": _BUSY_SECONDS}}
        elif parsed.get_backend_name() == "postgresql":
            options["connect_args"] = {"connect_timeout": _CONNECT_SECONDS, **_KEEPALIVES}
        engine = create_engine(parsed, json_serializer=_dump, hide_parameters=True, **options)
    except ModuleNotFoundError as error:
        hint = "install faqtual[postgres]" if error.name == "psycopg" else "install its driver"
        raise SettingsError(f"FAQ_DATABASE_URL cannot be used: {error}; {hint}.") from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise SettingsError(f"FAQ_DATABASE_URL cannot be used: {error}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _on_postgresql_connect)
    return engine


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _on_sqlite_connect(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin at our BEGIN, not where the driver guesses
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # what is deleted or replaced is overwritten in the file


def _on_postgresql_connect(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver is an extra
    connection.execute(_STATEMENT_TIMEOUT)
    connection.commit()


def _on_sqlite_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("faqtual_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _prepare_sqlite(engine: Engine) -> None:
    """Create the file's directory, and let its readers and its writer work at once; the file remembers that."""
    path = engine.url.database
    if not path or path == ":memory:" or path.startswith("file:"):
        return
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The directory {Path(path).parent} cannot be made: {error.strerror}.") from error
    with closing(engine.raw_connection()) as connection:
        (mode,) = connection.cursor().execute("PRAGMA journal_mode").fetchone()
        if mode != "wal":
            _set_wal(connection.cursor())


def _set_wal(cursor: DBAPICursor) -> None:
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:  # SQLite ignores its timeout for this statement
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def _failures(url: URL) -> Iterator[None]:
    """Turn the database's failures into StoreError, without its password."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, PoolTimeout) as error:
        message = str(error.orig if isinstance(error, DBAPIError) else error)
        cause = next((cause for part, cause in _CAUSES.items() if part in message), message.strip().partition("\n")[0])
        shown = url.render_as_string(hide_password=True)
        raise StoreError(f"The database {shown} cannot be used: {cause}.", _is_temporary(error)) from error


def _is_temporary(error: Exception) -> bool:
    """Whether the database is locked, or a server does not answer or gave up waiting for a lock."""
    if isinstance(error, OperationalError) and not isinstance(error.orig, sqlite3.Error):
        return True
    return isinstance(error, PoolTimeout) or "database is locked" in str(error)
