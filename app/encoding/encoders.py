"""The encoders of a build: this process's own, and for many texts one in each of several processes.

Each further process has its own copy of the graph and one thread. That costs less CPU than one graph whose threads
share each batch, and leaves the interpreter of this process to the writing of the index.
"""

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

from app.arrays import Vectors
from app.cores import usable
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder

Side = Literal["question", "answer"]  # a text is encoded as either
QUESTION: Side = "question"
ANSWER: Side = "answer"
SIDES = QUESTION, ANSWER
ALONE = 1000  # texts that the own encoder computes before other processes start, which takes as long
MOST = 8  # processes by default: more encode faster than one process writes the index
MEMORY = 250 * 2**20  # bytes that a process takes, generously
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container

_own: Encoder  # of a further process


def default_processes() -> int:
    """One a core, at most MOST, and no more than half of the memory has room for; at least 1."""
    room = min(_memory_limits(), default=math.inf) / 2 / MEMORY
    return max(1, int(min(usable(), MOST, room)))


def _memory_limits() -> Iterator[int]:
    """The bytes that this process may take, by its container and by the machine, where Linux says them."""
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # there is none, or it is `max`
            yield int(Path(path).read_text(encoding="ascii"))
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        yield 1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable:")))


class Encoders:
    """Computes the vectors of texts, in order of request. Close it."""

    def __init__(self, encoder: Encoder, bundle: Bundle | None = None, processes: int = 1, alone: int = ALONE) -> None:
        """`encoder`: of this process. `bundle`: what the encoders of further processes load, if `processes` > 1.

        `alone`: texts that `encoder` computes before these processes start.
        """
        self._encoder = encoder
        self._bundle = bundle
        self._processes = processes if bundle else 1
        self._alone = alone
        self._encoded = 0
        self._pool: ProcessPoolExecutor | None = None

    @property
    def ahead(self) -> int:
        """How many requests keep all processes busy; 0 for this process alone, which computes each at once."""
        return 2 * self._processes if self._processes > 1 else 0

    def begin(self, side: Side, texts: list[str]) -> "Future[list[Vectors]]":
        """The vectors of each text, (vectors, dimension) float32; a question has one."""
        if self._bundle and self._processes > 1 and self._encoded >= self._alone:
            self._pool = self._pool or _started(self._bundle, self._processes)
            return self._pool.submit(_encode_here, side, texts)
        self._encoded += len(texts)
        computed: Future[list[Vectors]] = Future()
        computed.set_result(_encode(self._encoder, side, texts))
        return computed

    def close(self) -> None:
        """End the processes; requests that no process has begun are dropped."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None


def _encode(encoder: Encoder, side: Side, texts: Sequence[str]) -> list[Vectors]:
    if side == ANSWER:
        return encoder.encode_documents(texts)
    return list(encoder.encode_queries(texts)[:, None, :])


def _started(bundle: Bundle, processes: int) -> ProcessPoolExecutor:
    # Not forked: the threads of this process would be missing in the copy.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, context, _load, (bundle,))


def _load(bundle: Bundle) -> None:
    """Prepare this further process. It ends when its parent does, even by SIGKILL."""
    global _own
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends this one
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_follow_parent, daemon=True).start()
    _own = Encoder(bundle, threads=1)


def _follow_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def _encode_here(side: Side, texts: Sequence[str]) -> list[Vectors]:
    return _encode(_own, side, texts)
