"""A load generator for question services, in a process of its own: keep-alive connections, closed or open loop.

    python -m benchmarks.load http://127.0.0.1:8000/v1/ask QUESTIONS.txt --clients 64 --seconds 5 [--rate 300] [--zipf]

Without --rate each client asks again as soon as it is answered. With it, questions arrive at random (Poisson) at that
rate whatever the service does, and a latency counts from the arrival, waiting for a free connection included; how late
this program itself was is printed beside it. QUESTIONS holds one a line; they are asked in order from --skip on, or
drawn by Zipf's law (exponent 1). Prints one line of JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import numpy as np
import uvloop

WARM_S = 1.0  # at the start, whose answers are not counted


class Load:
    """What is asked, and what came of it."""

    def __init__(self, requests: list[bytes], order: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        self._requests = requests
        self._order = order
        self.asked = 0
        self.latencies: list[float] = []
        self.late: list[float] = []  # of each arrival: how late this program noticed it, which its latency includes
        self.statuses: Counter[int] = Counter()
        self.counted_from = 0.0
        self.until = 0.0
        self.closed_loop = True
        self.arrived: deque[float] = deque()
        self.idle: deque[Connection] = deque()

    def next(self) -> bytes:
        """The next request."""
        request: bytes = self._requests[int(self._order[self.asked % len(self._order)])]
        self.asked += 1
        return request

    def answered(self, connection: "Connection", status: int) -> None:
        """Note an answer; the connection asks on, or waits for an arrival."""
        now = time.perf_counter()
        if self.counted_from <= now <= self.until:
            self.latencies.append(now - connection.since)
            self.statuses[status] += 1
        if self.closed_loop:
            if now < self.until:
                connection.ask(now)
        elif self.arrived:
            connection.ask(self.arrived.popleft())
        else:
            self.idle.append(connection)

    def arrive(self, at: float) -> None:
        """One question more, for the first connection that is free."""
        self.late.append(time.perf_counter() - at)
        if self.idle:
            self.idle.popleft().ask(at)
        else:
            self.arrived.append(at)


class Connection(asyncio.Protocol):
    """One client: one question at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._parser = httptools.HttpResponseParser(self)

    def ask(self, since: float) -> None:
        """Send the next question; its latency counts from `since`."""
        self.since = since
        self._transport.write(self._load.next())

    def data_received(self, data: bytes) -> None:
        """asyncio."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """httptools."""
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        self._load.answered(self, status)


async def run(load: Load, url: str, clients: int, seconds: float, rate: float | None) -> None:
    """Connect, ask for so long, disconnect."""
    loop, target = asyncio.get_running_loop(), urlsplit(url)
    host, port = target.hostname or "", target.port or 80
    connections = [(await loop.create_connection(lambda: Connection(load), host, port))[1] for _ in range(clients)]
    start = time.perf_counter()
    load.counted_from, load.until, load.closed_loop = start + WARM_S, start + WARM_S + seconds, rate is None
    if rate is None:
        for connection in connections:
            connection.ask(start)
        await asyncio.sleep(WARM_S + seconds)
    else:
        load.idle.extend(connections)
        at, gaps = start, np.random.default_rng(0)
        while at < load.until:
            at += gaps.exponential(1 / rate)
            if (ahead := at - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            load.arrive(at)
    for connection in connections:
        connection._transport.abort()


def request(url: str, question: str) -> bytes:
    """A question as bytes to send."""
    target, body = urlsplit(url), json.dumps({"question": question}).encode()
    head = f"POST {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def zipf(questions: int, draws: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Indices drawn by Zipf's law with exponent 1."""
    weights = 1 / np.arange(1, questions + 1)
    return np.random.default_rng(0).choice(questions, draws, p=weights / weights.sum())


def main() -> None:
    """Ask, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("url")
    parser.add_argument("questions", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--zipf", action="store_true")
    parser.add_argument("--skip", type=int, default=0)
    options = parser.parse_args()
    texts = options.questions.read_text(encoding="utf-8").splitlines()
    order = zipf(len(texts), 200_000) if options.zipf else np.roll(np.arange(len(texts)), -options.skip)
    load = Load([request(options.url, text) for text in texts], order)
    uvloop.run(run(load, options.url, options.clients, options.seconds, options.rate))
    milliseconds = np.array(load.latencies) * 1000
    found: dict[str, Any] = {
        f"p{q}_ms": round(float(np.percentile(milliseconds, q)), 3) if load.latencies else None for q in (50, 95, 99)
    }
    if load.late:
        found |= {f"late_p{q}_ms": round(float(np.percentile(load.late, q)) * 1000, 3) for q in (50, 99)}
    found |= {"per_s": round(len(load.latencies) / options.seconds, 1), "asked": load.asked}
    found |= {"statuses": {str(status): count for status, count in load.statuses.items()}}
    sys.stdout.write(json.dumps(found | {"generator_cpu_s": round(time.process_time(), 2)}) + "\n")


if __name__ == "__main__":
    main()
