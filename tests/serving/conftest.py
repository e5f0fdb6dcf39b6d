"""A service of two worker processes, as real processes, for all tests of this folder."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from app.encoding.bundle import Bundle
from app.http.security import digest_of
from app.settings import Settings
from app.settings.values import Rate
from tests.conftest import ADMIN_KEY, FAQ, fill, publish_home
from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]
WORKERS = 2
LIMITED_KEY, LIMIT = "another-admin-key", 300  # requests an hour with one key
HOUR_S = 3600.0


@dataclass
class Service:
    """A running service and its processes."""

    process: subprocess.Popen[bytes]
    url: str

    @contextmanager
    def client(self, key: str | None = ADMIN_KEY) -> Iterator[httpx2.Client]:
        """A client with one connection, and so one worker process, of its own."""
        headers = {"X-API-Key": key} if key else {}
        with httpx2.Client(base_url=self.url, trust_env=False, timeout=PATIENCE_S, headers=headers) as client:
            yield client

    @contextmanager
    def clients(self, key: str | None = ADMIN_KEY) -> Iterator[list[httpx2.Client]]:
        """A client at each worker process: a connection goes to the one that had fewest a moment ago."""
        for _ in range(20):
            self.wait_for_no_connections()
            with ExitStack() as stack:
                clients = [stack.enter_context(self.client(key)) for _ in range(WORKERS)]
                for client in clients:
                    client.get("/livez")
                if list(self.connections().values()) == [1] * WORKERS:
                    yield clients
                    return
        pytest.fail("two connections never went to two worker processes")

    def wait_for_no_connections(self) -> None:
        """Until every connection is closed and the parent has counted so."""
        wait_until(lambda: sum(self.connections().values()) == 0)
        time.sleep(0.5)  # worker processes say how many they have ten times a second

    def workers(self) -> list[int]:
        """The process ids of the worker processes that have begun to serve."""
        below = descendants(self.process.pid)
        return sorted(pid for pid in below if "forkserver" in command(pid) and len(threads(pid)) > 1)

    def connections(self) -> dict[int, int]:
        """The open connections of each worker process."""
        port = self.url.rpartition(":")[2]
        sockets = established(int(port))
        return {pid: len(sockets & inodes(pid)) for pid in self.workers()}


def established(port: int) -> set[str]:
    """The inodes of the sockets of a local port that have a connection."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {line[9] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "01"}


def inodes(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}


def descendants(pid: int) -> set[int]:
    """The processes below a process."""
    children = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children |= {int(child) for child in task.read_text().split()}
    return children.union(*map(descendants, children)) if children else children


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def threads(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def started(settings: Settings) -> Service:
    """A service with these settings, once all worker processes answer."""
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = settings.home / "service.log"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "app"], env=environment, stderr=file)
    wait_until(lambda: process.poll() is not None or log.read_text().count("startup complete") == WORKERS)
    address = re.search(r"Faqtual: (http://\S+)", log.read_text())
    assert address is not None, log.read_text()
    wait_until(lambda: "worker processes answer" in log.read_text())
    return Service(process, address[1])


def stopped(service: Service, number: signal.Signals) -> int:
    """The exit status of a service after a signal; nothing of it is left."""
    below = descendants(service.process.pid)
    service.process.send_signal(number)
    status = service.process.wait(PATIENCE_S)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
    return status


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("workers") / "home"
    settings = Settings(
        home=home,
        port=0,
        workers=WORKERS,
        admin_keys=(digest_of(ADMIN_KEY), digest_of(LIMITED_KEY)),
        rate_limit_key=Rate(LIMIT, HOUR_S),
    )
    fill(settings, FAQ)
    publish_home(settings, bundle)
    service = started(settings)
    yield service
    if service.process.poll() is None:
        stopped(service, signal.SIGTERM)
