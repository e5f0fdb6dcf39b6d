"""A minute's look at speed and memory, against the figures that were kept: did a change make something much worse?

    python -m benchmarks.smoke [--strict] [--write] [--seconds 6]

`start --replace`, as `make run` calls it, serves the sample FAQ with the base model from a new home, and then again as
nothing has changed; clients ask questions that all differ; an index of 5,000 made entries is searched. Times are
compared after a fixed computation has told how fast this machine is now, and the bounds are wide: a figure beyond its
bound is worth a look, not a proof. Prints a table; exits 0, or with --strict 1 where a figure is beyond its bound.
--write keeps the figures in benchmarks/baseline.json.
"""

import argparse
import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import httpx2
import numpy as np

from app.knowledge.files import read_entries
from app.releases.catalog import Catalog
from app.releases.publishing import publish
from app.settings import Settings
from benchmarks.imports import made, memory_of
from benchmarks.increment_answers import searching
from tests import bundles

BASELINE = Path(__file__).parent / "baseline.json"
FAQ = Path(__file__).parents[1] / "data" / "faq.jsonl"
PORT, CLIENTS, ENTRIES, SEARCHED = 8790, 8, 5_000, 300
OPENINGS = (
    "Please tell me: ",
    "Hello, ",
    "One question: ",
    "Hi there, ",
    "Can you help? ",
    "Quick one: ",
    "In short: ",
    "Sorry to ask: ",
    "For my team: ",
    "Once more: ",
    "Just wondering: ",
    "I would like to know: ",
)
CPU, CLOCK, MEMORY = 1.6, 3.0, 1.25  # how many times its baseline a figure may be; other work moves the clock most
Figures = dict[str, float]


class Row(NamedTuple):
    """What a figure is called in the table, and its bound."""

    title: str
    bound: float


ROWS = {
    "first_start_cpu_s": Row("first start: import, publish, answer, CPU s", CPU),
    "first_answer_s": Row("first answer of a later start, s", CLOCK),
    "start_cpu_s": Row("later start, CPU s", CPU),
    "question_cpu_ms": Row(f"a question, {CLIENTS} clients, CPU ms", CPU),
    "p50_ms": Row("one client, median ms", CLOCK),
    "resident_mb": Row("resident memory after the questions, MB", MEMORY),
    "search_cpu_ms": Row(f"search of {ENTRIES:,} entries, CPU ms", CPU),
    "build_cpu_s": Row(f"build of {ENTRIES:,} entries without encoding, CPU s", CPU),
}


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--strict", action="store_true", help="exit 1 where a figure is beyond its bound")
    parser.add_argument("--write", action="store_true", help="keep the figures as the baseline")
    parser.add_argument("--seconds", type=float, default=6, help="of each of the two loads")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        figures = {"unit_ms": unit_ms(), **serving(Path(scratch), options.seconds), **searched(Path(scratch) / "large")}
    figures = {name: round(value, 3) for name, value in figures.items()}
    if options.write:
        BASELINE.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    lines, slower = compared(figures, json.loads(BASELINE.read_text(encoding="utf-8")))
    print("\n".join(lines))
    print(
        f"{time.perf_counter() - began:.0f} s. "
        + (f"Beyond the bound: {', '.join(slower)}." if slower else "All within.")
    )
    sys.exit(1 if slower and options.strict else 0)


def compared(figures: Figures, baseline: Figures) -> tuple[list[str], list[str]]:
    """The lines of the table, and the titles of the figures beyond their bounds."""
    speed = figures["unit_ms"] / baseline["unit_ms"]
    lines = [f"{'':52}{'now':>9}{'baseline':>10}{'ratio':>8}{'bound':>8}"]
    slower = []
    for name, (title, bound) in ROWS.items():
        expected = baseline[name] * (1.0 if bound == MEMORY else speed)
        ratio = figures[name] / expected
        slower += [title] if ratio > bound else []
        lines.append(f"{title:52}{figures[name]:9.2f}{expected:10.2f}{ratio:8.2f}{bound:8.2f}")
    return [*lines, f"(times of the baseline are multiplied by {speed:.2f}, as this machine is now)"], slower


def unit_ms() -> float:
    """The milliseconds of CPU that a fixed computation takes here and now: Python, hashing and matrix products."""
    matrix = np.random.default_rng(0).standard_normal((256, 256), dtype=np.float32)
    times = []
    for _ in range(40):  # the fastest is the machine; the others are the work beside it
        began = time.thread_time()
        for i in range(8_000):
            hashlib.sha256(json.dumps({"number": i}).encode()).digest()
        for _ in range(20):
            matrix @ matrix
        times.append(1000 * (time.thread_time() - began))
    return min(times)


def serving(folder: Path, seconds: float) -> Figures:
    """Start, start again, ask."""
    settings = Settings(home=folder / "home", port=PORT)
    environment = {**os.environ, **settings.environment(), "OMP_NUM_THREADS": "1"}
    url = f"http://127.0.0.1:{PORT}/v1/ask"
    with process(environment) as service:
        until_answered(url, service)
        figures = {"first_start_cpu_s": cpu_s(service)}
    questions = folder / "questions.txt"
    questions.write_text("\n".join(distinct()), encoding="utf-8")
    began = time.perf_counter()
    with process(environment) as service:
        until_answered(url, service)
        figures |= {"first_answer_s": time.perf_counter() - began, "start_cpu_s": cpu_s(service)}
        alone = load(url, questions, seconds, clients=1, skip=0)
        before = cpu_s(service)
        together = load(url, questions, seconds, clients=CLIENTS, skip=int(alone["asked"]))
        figures |= {"p50_ms": alone["p50_ms"], "resident_mb": memory_of(service.pid)}
        return figures | {"question_cpu_ms": 1000 * (cpu_s(service) - before) / together["asked"]}


def distinct() -> list[str]:
    """Questions of the sample FAQ with an opening each, in an order of their own; no two alike."""
    entries = read_entries(FAQ).entries
    phrasings = dict.fromkeys(phrasing for entry in entries for phrasing in entry.phrasings)
    questions = [opening + phrasing for opening in OPENINGS for phrasing in phrasings]
    Random(0).shuffle(questions)
    return questions


@contextmanager
def process(environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The service on the sample FAQ; stopped at the end."""
    command = [sys.executable, "-m", "app", "start", str(FAQ), "--replace"]
    service = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield service
    finally:
        service.terminate()
        service.wait(20)


def until_answered(url: str, service: "subprocess.Popen[bytes]") -> None:
    """Until the service has answered one question."""
    while service.poll() is None:
        try:
            if httpx2.post(url, json={"question": "Are you there?"}, trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.02)
    raise RuntimeError("the service ended before it answered")


def cpu_s(service: "subprocess.Popen[bytes]") -> float:
    """The CPU seconds of a process so far, and of those that it started and that have ended."""
    fields = Path(f"/proc/{service.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def load(url: str, questions: Path, seconds: float, clients: int, skip: int) -> Figures:
    """What `benchmarks.load` measures."""
    code = [sys.executable, "-m", "benchmarks.load", url, str(questions), "--clients", str(clients)]
    code += ["--seconds", str(seconds), "--skip", str(skip)]
    figures: Figures = json.loads(subprocess.run(code, check=True, stdout=subprocess.PIPE).stdout)
    return figures


def searched(home: Path) -> Figures:
    """Build an index whose vectors cost next to nothing to make, and search it in this process."""
    bundles.DIMENSION = 384
    return asyncio.run(_searched(Catalog(Settings(home=home)), home))


async def _searched(catalog: Catalog, home: Path) -> Figures:
    bundle = bundles.make(home / "bundle")
    began = time.process_time()
    name = await publish(catalog, bundle, made(ENTRIES))
    build = time.process_time() - began
    answerer = await catalog.open(name)
    questions = [f"Where is setting {i * 37 % ENTRIES}?" for i in range(SEARCHED)]
    vectors = await answerer.encode(questions)
    index = await catalog.indexes.open(name)
    before = time.process_time()
    await searching([index], vectors)
    search = (time.process_time() - before) / SEARCHED
    for part in (index, answerer, catalog):
        await part.close()
    return {"build_cpu_s": build, "search_cpu_ms": 1000 * search}


if __name__ == "__main__":
    main()
