"""Starts the stand-in for a Qdrant cluster, kills and restarts it, and sets how it behaves."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.faults.service import ROOT, free_port
from tests.waiting import PATIENCE_S


class StandIn:
    """A stand-in that runs; `urls` are those of its nodes."""

    def __init__(self, journal: Path, nodes: int) -> None:
        self.ports = [free_port() for _ in range(nodes)]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self._journal = journal
        self._lost: list[int] = []
        self.process = self._started()

    def kill(self) -> None:
        """End the process with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start the process again, at the same ports and with the state that it had. Returns when it answers."""
        self._lost = []
        self.process = self._started()

    def behave(self, lost: list[int] | None = None, **behaviour: Any) -> None:  # noqa: ANN401
        """Behave so from now on; see `Behaviour`. At least one node must stay. Returns when it is so."""
        left = next(url for position, url in enumerate(self.urls) if position not in self._lost)
        httpx2.post(
            f"{left}/stand-in", json={"lost": lost or [], **behaviour}, trust_env=False, timeout=PATIENCE_S
        ).raise_for_status()
        self._lost = lost or []
        for position, url in enumerate(self.urls):
            while is_answering(url) == (position in self._lost):
                time.sleep(0.01)

    def largest(self) -> int:
        """The bytes of the largest request so far."""
        left = next(url for position, url in enumerate(self.urls) if position not in self._lost)
        return int(httpx2.get(f"{left}/stand-in", trust_env=False, timeout=PATIENCE_S).json()["largest"])

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.faults.qdrant", str(self._journal), *map(str, self.ports)]
        process = subprocess.Popen(command, cwd=ROOT)
        while not all(map(is_answering, self.urls)):
            assert process.poll() is None
            time.sleep(0.05)
        return process


def is_answering(url: str) -> bool:
    """Whether a node takes requests."""
    try:
        httpx2.get(f"{url}/stand-in", trust_env=False)
    except httpx2.TransportError:
        return False
    return True


@contextmanager
def stand_in(nodes: int = 1) -> Iterator[StandIn]:
    """A stand-in of so many nodes, until the block ends."""
    with tempfile.TemporaryDirectory() as directory:
        running = StandIn(Path(directory) / "journal", nodes)
        try:
            yield running
        finally:
            running.kill()
