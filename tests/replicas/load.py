"""Asks the replicas without a pause, as a load balancer passes questions on, and judges every reply."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from tests.replicas.knowledge import Question, Truth, questions

Outcome = str  # `right`, `wrong`, `refused` (503 with Retry-After), or `failed`
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Asked:
    """One question: which replica it went to, and what became of it. Times are those of `time.monotonic`."""

    replica: int
    started: float
    ended: float
    outcome: Outcome
    reason: str = ""


class Load:
    """The questions asked so far."""

    def __init__(self, urls: Sequence[str], truth: Truth, pause_s: float) -> None:
        """`pause_s`: between two questions of a client."""
        self.asked: list[Asked] = []
        self._urls, self._truth, self._pause_s = urls, truth, pause_s
        self._stop = threading.Event()

    def stop(self) -> None:
        """Let every client end."""
        self._stop.set()

    def since(self, start: float) -> list[Asked]:
        """What was asked from a moment on."""
        return [asked for asked in list(self.asked) if asked.started >= start]

    def run(self, number: int) -> None:
        """Be a client until `stop`."""
        random_questions = random.Random(number)
        with httpx2.Client(trust_env=False, timeout=TIMEOUT_S) as client:
            for turn in itertools.count(number):
                if self._stop.wait(self._pause_s):
                    return
                self.asked.append(self._ask(client, turn, random_questions.choice(QUESTIONS)))

    def _ask(self, client: httpx2.Client, turn: int, question: Question) -> Asked:
        """Ask the replica whose turn it is; the next one where nobody listens, as nothing was sent."""
        started = time.monotonic()
        for offset in range(len(self._urls)):
            replica = (turn + offset) % len(self._urls)
            body = {"question": question.text, "min_confidence": 0, "top_k": 1}
            try:
                response = client.post(f"{self._urls[replica]}/v1/ask", json=body)
            except httpx2.ConnectError:
                continue
            except httpx2.TransportError as error:
                return Asked(replica, started, time.monotonic(), "failed", repr(error))
            ended = time.monotonic()
            return Asked(replica, started, ended, *self._judged(replica, question, started, ended, response))
        return Asked(-1, started, time.monotonic(), "failed", "no replica listens")

    def _judged(
        self, replica: int, question: Question, started: float, ended: float, response: httpx2.Response
    ) -> tuple[Outcome, str]:
        if response.status_code == 503 and response.headers.get("Retry-After"):
            return "refused", response.json()["detail"]
        if response.status_code != 200:
            return "failed", f"{response.status_code}: {response.text}"
        mistake = self._truth.mistake(replica, question, started, ended, response.json())
        return ("wrong", mistake) if mistake else ("right", "")


QUESTIONS = questions()


@contextmanager
def load(urls: Sequence[str], truth: Truth, clients: int, pause_s: float) -> Iterator[Load]:
    """Ask with so many clients while the block runs."""
    made = Load(urls, truth, pause_s)
    threads = [threading.Thread(target=made.run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.stop()
        for thread in threads:
            thread.join()


def wait(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Until `condition()` holds. Raises AssertionError, naming `what`, if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
