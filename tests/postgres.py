"""A real PostgreSQL server for the tests: its own data, a Unix socket in a temporary folder, no port."""

import itertools
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "shared_buffers=32MB")
_USERS = ("postgres", "nobody")  # whom the server runs as when the tests run as root, which it refuses
_START_S = 30


class Server:
    """A running server. Each test gets a database of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._folder}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database, dropped at the end whoever is still connected."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run a statement as the server's owner."""
        engine = self._engine()
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def wait_until_it_answers(self, process: "subprocess.Popen[bytes]") -> None:
        """Raises AssertionError with the server's log if it does not."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(OperationalError):
                self.execute("SELECT 1")
                return
            time.sleep(0.05)
        raise AssertionError((self._folder / "log").read_text())

    def _engine(self) -> Engine:
        return create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")


@contextmanager
def server() -> Iterator[Server]:
    """Make and start a server; stop it and delete its data at the end. Skips where there is no `initdb`."""
    programs = _programs()
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="faqtual-postgres-"))
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(initdb, user=user, cwd=folder, check=True, capture_output=True)
        settings = [part for setting in _FAST for part in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            command: list[str | Path] = [programs / "postgres", "-D", data, "-k", folder, *settings]
            process = subprocess.Popen(command, user=user, cwd=folder, stdout=log, stderr=log)
        try:
            running = Server(folder)
            running.wait_until_it_answers(process)
            yield running
        finally:
            process.send_signal(signal.SIGINT)  # the server's fast shutdown
            process.wait(_START_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder of the newest `initdb`: on the path, or where Debian keeps it."""
    if named := shutil.which("initdb"):
        return Path(named).parent
    versions = {path.parent: re.findall(r"\d+", str(path)) for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")}
    if not versions:
        pytest.skip("no PostgreSQL here: there is no initdb; on Debian: apt-get install postgresql")
    return max(versions, key=lambda folder: int(versions[folder][0]))


def _user() -> str | None:
    """Whom the server is to run as; None for who runs the tests."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _USERS if name in names)
