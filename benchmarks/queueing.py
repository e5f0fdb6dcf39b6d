"""What arrivals at random alone make of the latency at half load: a simulation, without a service.

    python -m benchmarks.queueing [--rate 264] [--cores 2] [--encoders 2] [--seconds 400]

Questions arrive at random (Poisson). Each costs the generator, the event loop and an encoder the CPU times below, which
`benchmarks.serving` measures; the threads share the cores evenly. Printed are the percentiles of the latency by how
many of the waiting questions a free encoder takes: all of them up to 8, its share of them, or one.
"""

import argparse
import math
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from app.encoding.batching import BATCH

GENERATOR_S, ARRIVAL_S, REPLY_S, HAND_OVER_S = 0.0002, 0.0003, 0.00025, 0.0002
FIXED_S, TOKEN_S, TOKENS, DEVIATION, LEAST = 0.0016, 0.00006, 20, 8, 4  # an encoder's: 2.8 ms at 20 tokens
POLICIES: dict[str, Callable[[int, int], int]] = {
    "all that wait, up to 8": lambda waiting, encoders: min(8, waiting),
    "its share of them": lambda waiting, encoders: min(BATCH, math.ceil(waiting / encoders)),
    "one": lambda waiting, encoders: 1,
}


@dataclass
class Thread:
    """Jobs in order of arrival: the CPU time that each takes, and what follows it."""

    jobs: deque[tuple[float, Callable[[], None]]] = field(default_factory=deque)
    left: float = 0.0  # of the first job

    def add(self, seconds: float, then: Callable[[], None]) -> None:
        """A further job."""
        if not self.jobs:
            self.left = seconds
        self.jobs.append((seconds, then))

    def finish(self) -> None:
        """The first job is done."""
        _, then = self.jobs.popleft()
        if self.jobs:
            self.left = self.jobs[0][0]
        then()


class Service:
    """The generator, the event loop and the encoders on a few cores."""

    def __init__(self, take: Callable[[int, int], int], encoders: int, cores: int, overhead: float = 1.0) -> None:
        """`take`: how many of the waiting questions an encoder takes. `overhead`: factor of all but the encoding."""
        self._take, self._cores, self._overhead = take, cores, overhead
        self._generator, self._loop = Thread(), Thread()
        self._encoders = [Thread() for _ in range(encoders)]
        self._waiting: deque[tuple[float, float]] = deque()  # arrival, work
        self._random = random.Random(0)
        self.now = 0.0
        self.latencies_ms: list[float] = []

    def run(self, rate: float, seconds: float) -> list[float]:
        """The latencies, in ms, least first."""
        arrival = self._random.expovariate(rate)
        while self.now < seconds:
            busy = [thread for thread in (self._generator, self._loop, *self._encoders) if thread.jobs]
            speed = min(1.0, self._cores / len(busy)) if busy else 1.0
            step = min([arrival - self.now, *(thread.left / speed for thread in busy)])
            self.now += step
            for thread in busy:
                thread.left -= step * speed
            if arrival - self.now < 1e-12:
                self._arrive()
                arrival = self.now + self._random.expovariate(rate)
            for thread in busy:
                if thread.left < 1e-12:
                    thread.finish()
        return sorted(self.latencies_ms)

    def _arrive(self) -> None:
        work = FIXED_S + TOKEN_S * max(LEAST, self._random.gauss(TOKENS, DEVIATION))
        question = self.now, work

        def queue() -> None:
            self._waiting.append(question)
            self._dispatch()

        self._generator.add(GENERATOR_S * self._overhead, lambda: self._loop.add(ARRIVAL_S * self._overhead, queue))

    def _dispatch(self) -> None:
        for encoder in self._encoders:
            if self._waiting and not encoder.jobs:
                count = self._take(len(self._waiting), len(self._encoders))
                batch = [self._waiting.popleft() for _ in range(count)]
                work = HAND_OVER_S * self._overhead + sum(seconds for _, seconds in batch)
                encoder.add(work, lambda batch=batch: self._reply(batch))  # type: ignore[misc]

    def _reply(self, batch: list[tuple[float, float]]) -> None:
        for arrived, _ in batch:
            self._loop.add(REPLY_S * self._overhead, lambda arrived=arrived: self._replied(arrived))  # type: ignore[misc]
        self._dispatch()

    def _replied(self, arrived: float) -> None:
        self.latencies_ms.append((self.now - arrived) * 1000)


def rows(options: argparse.Namespace) -> Iterator[str]:
    """A row of a table for each policy, and one of the encoders' work alone."""
    for name, take in POLICIES.items():
        service = Service(take, options.encoders, options.cores)
        yield row(name, service.run(options.rate, options.seconds))
    alone = Service(POLICIES["one"], options.encoders, options.cores, overhead=1e-6)
    yield row("one, and the encoders' work alone", alone.run(options.rate, options.seconds))


def row(name: str, latencies: list[float]) -> str:
    """The percentiles."""
    p50, p95, p99 = (latencies[int(len(latencies) * share)] for share in (0.5, 0.95, 0.99))
    return f"| {name} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {p99 / p50:.1f} |\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=264, help="questions a second")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--encoders", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=400, help="of simulated time")
    sys.stdout.write("| a free encoder takes | p50 ms | p95 ms | p99 ms | p99 / p50 |\n|---|---|---|---|---|\n")
    for text in rows(parser.parse_args()):
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
