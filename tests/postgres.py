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
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "shared_buffers=32MB")
_USERS = ("postgres", "nobody")  # whom the server runs as when the tests run as root, which it refuses
_START_S = 90


class Server:
    """A server that can be stopped and started. Each test gets a database of its own."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        """Makes the data; `programs` has `initdb`, and `user` owns the server."""
        self._folder, self._programs, self._user = folder, programs, user
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            folder / "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        subprocess.run([*initdb, "--no-sync"], user=user, cwd=folder, check=True, capture_output=True)

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
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def start(self) -> None:
        """Start the server. Raises AssertionError with its log if it does not answer."""
        settings = [part for setting in _FAST for part in ("-c", setting)]
        command: list[str | Path] = [
            self._programs / "postgres",
            "-D",
            self._folder / "data",
            "-k",
            self._folder,
            *settings,
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, user=self._user, cwd=self._folder, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OperationalError):
                self.execute("SELECT 1")
                return
            time.sleep(0.05)
        raise AssertionError((self._folder / "log").read_text())

    def stop(self) -> None:
        """End every session and stop the server; what was committed stays."""
        if self._process:
            self._process.send_signal(signal.SIGINT)  # the server's fast shutdown
            self._process.wait(_START_S)
            self._process = None


@contextmanager
def server() -> Iterator[Server]:
    """Make and start a server; stop it and delete its data at the end. Skips where there is no `initdb`."""
    programs, user = _programs(), _user()
    folder = Path(tempfile.mkdtemp(prefix="faqtual-postgres-"))
    try:
        if user:
            shutil.chown(folder, user)
        made = Server(folder, programs, user)
        try:
            made.start()
            yield made
        finally:
            made.stop()
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
