"""A real `python -m app` whose log can be read, for tests that do it harm."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2

from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
QUESTION = {"question": "When will I get my refund?"}


class Service:
    """A running service: `client`, `port`, and what became of its process."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log
        self._asked = itertools.count()
        self.url = self._listening()
        self.port = int(self.url.rpartition(":")[2])
        self.client = httpx2.Client(
            base_url=self.url, headers={"X-API-Key": ADMIN_KEY}, trust_env=False, timeout=PATIENCE_S
        )

    @property
    def log(self) -> str:
        """All that it has said."""
        return self._log.read_text(encoding="utf-8")

    def ask(self) -> httpx2.Response:
        """One question that the FAQ answers, each time with other marks after it: none is answered from memory."""
        number = next(self._asked)
        marks = "?" * (number % 40) + "!" * (number // 40 % 40)
        return self.client.post("/v1/ask", json={"question": QUESTION["question"] + marks})

    def wait_ready(self, seconds: float = PATIENCE_S) -> None:
        """Until /readyz says so."""
        self.wait(lambda: self.client.get("/readyz").status_code == 200, seconds)

    def wait(self, condition: Any, seconds: float = PATIENCE_S) -> None:  # noqa: ANN401 - any callable
        """Until `condition()` holds; a refused connection is a no."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s:\n{self.log}")

    def terminate(self, seconds: float = PATIENCE_S) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def memory_mb(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def _listening(self) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if started := re.search(r"Faqtual: (http://\S+)\n", self.log):
                return started[1]
            assert self.process.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError(f"it does not listen:\n{self.log}")


def spawned(settings: Settings, preload: dict[str, str] | None = None) -> tuple["subprocess.Popen[bytes]", Path]:
    """A service that has just started, and the file of its log."""
    log = settings.home.parent / f"service-{time.monotonic_ns()}.log"
    variables = {**os.environ, **settings.environment(), "PYTHONPATH": str(ROOT), **(preload or {})}
    with log.open("wb") as stream:
        return subprocess.Popen([sys.executable, "-m", "app"], env=variables, stdout=stream, stderr=stream), log


@contextmanager
def service(settings: Settings, ready: bool = True, preload: dict[str, str] | None = None) -> Iterator[Service]:
    """A service on `settings`; killed at the end if it still runs."""
    process, log = spawned(settings, preload)
    try:
        running = Service(process, log)
        with running.client:
            if ready:
                running.wait_ready()
            yield running
    finally:
        process.kill()
        process.wait()


@contextmanager
def asking(running: Service, threads: int = 3) -> Iterator[list[tuple[int, str]]]:
    """Ask without a pause while the block runs; gives the status and the release, or the error, of every reply."""
    replies: list[tuple[int, str]] = []
    stop = Event()

    def ask() -> None:
        with httpx2.Client(base_url=running.url, trust_env=False, timeout=PATIENCE_S) as client:
            while not stop.is_set():
                try:
                    response = client.post("/v1/ask", json=QUESTION)
                    replies.append((response.status_code, response.json().get("release", "")))
                except httpx2.TransportError as error:
                    replies.append((0, repr(error)))

    workers = [Thread(target=ask) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield replies
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
