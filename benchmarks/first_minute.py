"""How long `make run` takes to its first answer: on a clean clone, once installed, and after an edit of the FAQ.

    python -m benchmarks.first_minute [--clone DIR] [--warm 3] [--write]

Clones HEAD into a temporary directory and runs `make run` there until a question is answered. Ctrl-C must then stop
every process that it started. CPU seconds are those of all its processes, with the stop. `--clone` names the directory,
which then stays; where it exists, nothing is installed and no cold start is measured. Packages come from wherever pip
is told to find them. --write keeps the figures in benchmarks/results/first_minute.json.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2

from benchmarks.places import RESULTS

ROOT = Path(__file__).parents[1]
PORT = 8791
URL = f"http://127.0.0.1:{PORT}/v1/ask"
LONGEST_S = 600.0
ADDED = {"question": "Is this entry new?", "answer": "Yes."}


class Start(NamedTuple):
    """One start of `make run`: seconds to its first answer, and the CPU seconds of all its processes."""

    kind: str
    seconds: float
    cpu_s: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--clone", type=Path, help="the directory of the clone, which stays")
    parser.add_argument("--warm", type=int, default=3, help="warm starts")
    parser.add_argument("--write", action="store_true", help="keep the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        starts = []
        for start in measured(options.clone or Path(scratch) / "faqtual", options.warm):
            print(f"{start.kind:8} {start.seconds:6.2f} s to the first answer, {start.cpu_s:6.2f} s of CPU", flush=True)
            starts.append(start)
    if options.write:
        (RESULTS / "first_minute.json").write_text(
            json.dumps([start._asdict() for start in starts], indent=2) + "\n", encoding="utf-8"
        )


def measured(clone: Path, warm: int) -> Iterator[Start]:
    """The starts, one by one."""
    if not clone.exists():
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        yield started("cold", clone)
    for _ in range(warm):
        yield started("warm", clone)
    with (clone / "data" / "faq.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(ADDED | {"id": f"added-{time.time_ns()}"}) + "\n")
    yield started("edited", clone)


def started(kind: str, clone: Path) -> Start:
    """One start. Raises RuntimeError if it ends before it answers, or leaves a process behind."""
    left_out = ("FAQ_", "PYTHON", "VIRTUAL_ENV", "MAKE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    cpu, began = children_cpu_s(), time.perf_counter()
    make = subprocess.Popen(
        ["make", "run"], cwd=clone, env={**environment, "FAQ_PORT": str(PORT)}, start_new_session=True
    )
    try:
        until_answered(make, began + LONGEST_S)
        seconds = time.perf_counter() - began
    finally:
        os.killpg(make.pid, signal.SIGINT)
        make.wait(30)
    time.sleep(0.5)
    if processes := session(make.pid):
        raise RuntimeError(f"Ctrl-C left processes: {processes}")
    return Start(kind, round(seconds, 2), round(children_cpu_s() - cpu, 2))


def until_answered(make: "subprocess.Popen[bytes]", deadline: float) -> None:
    """Until a question is answered."""
    while make.poll() is None and time.perf_counter() < deadline:
        try:
            if httpx2.post(URL, json={"question": "Where is my money?"}, trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.02)
    raise RuntimeError("`make run` ended before it answered")


def children_cpu_s() -> float:
    """The CPU seconds of the processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def session(leader: int) -> list[str]:
    """The commands of the processes of a session that have not ended."""
    commands = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rsplit(")", 1)[1].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                commands.append((stat.parent / "cmdline").read_text(encoding="utf-8").replace("\0", " "))
        except OSError:  # it has ended
            continue
    return commands


if __name__ == "__main__":
    main()
