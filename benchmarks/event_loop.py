"""The CPU time that a question costs in the service, in one process: of the event loop's thread, and of all threads.

    python -m benchmarks.event_loop FAQ_HOME QUESTIONS.txt [--count 300] [--rounds 5] [--clients 1,8,64]

Requests pass through the real protocol, application and encoders; the connections are in memory, so system calls of
sockets are not in it. FAQ_HOME holds a release; QUESTIONS.txt one question a line. `benchmarks.serving` leaves both in
its --work directory (`home`, `distinct.txt`). For each load the least and the median of the rounds, in microseconds a
question. The first load asks one question again and again, whose reply is cached: its cost is that of HTTP.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import uvloop
from uvicorn.server import ServerState

from app.main import create_app
from app.serving import server
from app.settings import Settings

CACHED = "one question, its reply cached"


class Cost(NamedTuple):
    """Microseconds of CPU time a question."""

    loop: float
    process: float


class Connection(asyncio.Transport):
    """A client's connection in memory, which asks one question after the other."""

    def __init__(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        super().__init__()
        self._answered = asyncio.Event()
        self._response = b""
        self._protocol = protocol()
        self._protocol.connection_made(self)

    async def ask(self, request: bytes) -> None:
        """Send a request, and wait for the whole response."""
        self._response = b""
        self._answered.clear()
        self._protocol.data_received(request)
        await self._answered.wait()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The service sends a part of its response."""
        self._response += data
        head, found, body = self._response.partition(b"\r\n\r\n")
        if found and len(body) == int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            self._answered.set()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """The addresses of both ends."""
        return ("127.0.0.1", 8000) if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        """It stays open."""
        return False

    def close(self) -> None:
        """The service has waited long enough for a further request."""

    def resume_reading(self) -> None:
        """It never pauses."""


def main() -> None:
    """Measure, and print one line of JSON a load."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("home", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--count", type=int, default=300, help="questions of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", default="1,8,64", help="with commas")
    options = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.setswitchinterval(server.SWITCH_S)
    uvloop.run(measure(Settings(home=options.home), options))


async def measure(settings: Settings, options: argparse.Namespace) -> None:
    """All loads, on one service."""
    app, loop = create_app(settings), asyncio.get_running_loop()
    async with app.router.lifespan_context(app) as state:
        config = server.config_of(app, settings, 256)
        config.load()
        made: Any = config.http_protocol_class
        protocol = partial(made, config, ServerState(), dict(state or {}), loop)
        texts = options.questions.read_text(encoding="utf-8").splitlines()
        again = itertools.repeat(request(texts[-1]))
        report(CACHED, [await cost(protocol, 1, again, options.count) for _ in range(options.rounds + 1)][1:])
        new = map(request, texts)
        for clients in map(int, options.clients.split(",")):
            costs = [await cost(protocol, clients, new, options.count) for _ in range(options.rounds)]
            report(f"all distinct, {clients} clients", costs)


async def cost(protocol: Callable[[], asyncio.Protocol], clients: int, requests: Iterator[bytes], count: int) -> Cost:
    """Of `count` questions, asked by so many clients, each of which asks again as soon as it is answered."""
    asked = itertools.islice(requests, count)
    loop, process = time.thread_time(), time.process_time()
    await asyncio.gather(*(_ask(Connection(protocol), asked) for _ in range(clients)))
    return Cost((time.thread_time() - loop) / count * 1e6, (time.process_time() - process) / count * 1e6)


async def _ask(connection: Connection, requests: Iterable[bytes]) -> None:
    for data in requests:
        await connection.ask(data)


def request(question: str) -> bytes:
    """A question as the bytes of a request."""
    body = json.dumps({"question": question}).encode()
    head = f"POST /v1/ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def report(load: str, costs: Sequence[Cost]) -> None:
    """Print the figures of one load."""
    figures = {
        f"{name}_us": {"least": round(min(values)), "median": round(median(values))}
        for name, values in zip(Cost._fields, zip(*costs, strict=True), strict=True)
    }
    sys.stdout.write(json.dumps({"load": load, **figures}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
