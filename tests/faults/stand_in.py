"""Starts the stand-in for a Qdrant cluster and sets how it behaves."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from tests.faults.service import ROOT, free_port


class StandIn:
    """A running stand-in; `urls` are those of its nodes."""

    def __init__(self, process: "subprocess.Popen[bytes]", ports: list[int]) -> None:
        self.process, self.ports = process, ports
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self._lost: list[int] = []

    def behave(self, lost: list[int] | None = None, **times: float) -> None:
        """Behave so from now on; see `Behaviour`. At least one node must stay. Returns when it is so."""
        left = next(url for position, url in enumerate(self.urls) if position not in self._lost)
        httpx2.post(f"{left}/stand-in", json={"lost": lost or [], **times}, trust_env=False).raise_for_status()
        self._lost = lost or []
        for position, url in enumerate(self.urls):
            while is_answering(url) == (position in self._lost):
                time.sleep(0.01)

    def largest(self) -> int:
        """The bytes of the largest request so far."""
        left = next(url for position, url in enumerate(self.urls) if position not in self._lost)
        return int(httpx2.get(f"{left}/stand-in", trust_env=False).json()["largest"])


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
    ports = [free_port() for _ in range(nodes)]
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.qdrant", *map(str, ports)], cwd=ROOT)
    try:
        made = StandIn(process, ports)
        while not all(map(is_answering, made.urls)):
            assert process.poll() is None
            time.sleep(0.05)
        yield made
    finally:
        process.kill()
        process.wait()
