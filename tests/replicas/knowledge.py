"""The entries that the replicas answer from, the questions that are asked of them, and which answers are right."""

import math
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

from app.knowledge.entry import Entry

VERBS = ("change", "lost", "pay", "return", "send", "ship", "track", "reset")
NOUNS = ("delivery", "email", "gift", "key", "money", "order", "password", "pets", "turnip", "wolf")
SUBJECTS = tuple(product(VERBS, NOUNS))


class Question(NamedTuple):
    """A question, and the id of the entry that answers it best, whichever model compares them."""

    text: str
    entry: str


def entries() -> list[Entry]:
    """An entry for each verb and noun, whose answer says its version."""
    return [
        Entry(id=f"{verb}-{noun}", question=f"How can I {verb} my {noun}?", answer=answer(f"{verb}-{noun}", 0))
        for verb, noun in SUBJECTS
    ]


def answer(entry: str, version: int) -> str:
    """The answer of a version of an entry."""
    return f"This is how: {entry}, version {version}."


def version_of(text: str) -> int:
    """The version that an answer says it is."""
    version = re.search(r"version (\d+)\.$", text)
    assert version, text
    return int(version[1])


def questions() -> list[Question]:
    """A question for each entry, which no entry holds word for word."""
    return [Question(f"can I {verb} my {noun}", f"{verb}-{noun}") for verb, noun in SUBJECTS]


class Truth:
    """Says which answers are right while entries are edited. Safe to share between threads.

    An answer is right if it is of the right entry, and of a version that was sent and is not older than one that this
    replica gave before, or than one that every replica gave, unless its release is rolled back to. All answers of one
    release have the same version.
    """

    def __init__(self) -> None:
        self.sent: dict[str, int] = defaultdict(int)  # the newest version of each entry that was sent
        self.acknowledged: dict[str, int] = {}  # the newest of each edited entry that a replica said it stored
        self._seen: dict[tuple[int | None, str], list[tuple[float, int]]] = defaultdict(lambda: [(0.0, 0)])
        self._released: dict[tuple[str, str], int] = {}
        self._older: dict[str, float] = {}  # releases that were rolled back to, and until when each was active
        self._lock = threading.Lock()

    def edit(self, entry: str) -> str:
        """The next answer of an entry, which counts as sent from now on."""
        with self._lock:
            self.sent[entry] += 1
            return answer(entry, self.sent[entry])

    def seen_everywhere(self, entry: str, version: int) -> None:
        """Say that every replica gave this version of an entry, or a newer one: an older one is wrong from now on."""
        with self._lock:
            self._seen[None, entry].append((time.monotonic(), version))

    @contextmanager
    def rolled_back_to(self, release: str) -> Iterator[None]:
        """While the block runs, a release may answer what it answered before later edits."""
        self._older[release] = math.inf
        yield
        self._older[release] = time.monotonic()

    def mistake(self, replica: int, question: Question, started: float, ended: float, reply: Any) -> str | None:  # noqa: ANN401 - JSON
        """What is wrong with the reply of a replica to a question that was asked at `started`; None if it is right."""
        first = reply["answers"][0] if reply["answers"] else None
        if first is None or first["faq_id"] != question.entry:
            return f"{question.text}: the first answer is {first and first['faq_id']}, not {question.entry}"
        number = version_of(first["answer"])
        with self._lock:
            same = self._released.setdefault((reply["release"], question.entry), number)
            seen = self._seen[replica, question.entry]
            oldest = max(known for at, known in [*seen, *self._seen[None, question.entry]] if at <= started)
            newest = self.sent[question.entry]
            seen.append((ended, max(number, seen[-1][1])))
        if same != number:
            return f"{question.entry}: {reply['release']} answers versions {same} and {number}"
        is_older = started <= self._older.get(reply["release"], 0.0)
        if not (oldest <= number or is_older) or number > newest:
            return f"{question.entry}: replica {replica} answers version {number}, not {oldest} to {newest}"
        return None
