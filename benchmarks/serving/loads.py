"""One load of one system: `wrk` in a closed loop, or `benchmarks.load` at a given rate; with CPU times by thread."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.serving.systems import System

Figures = dict[str, Any]

SCRIPT = Path(__file__).with_name("ask.lua")
WARM_S = 1.0
CONNECTIONS = 64  # of the open loop, which questions wait for when all are busy
MISSING = "wrk, the load generator, is not installed: `apt-get install wrk`, or build https://github.com/wg/wrk."


def closed_loop(system: System, bodies: Path, clients: int, seconds: float, warm: float = WARM_S) -> Figures:
    """So many clients, each of which asks again as soon as it is answered; the next questions of the file.

    They ask for `warm` seconds before anything is measured.

    wrk adds, for a latency above twice the mean interval of a client, the latencies of the questions that the client
    would have asked meanwhile.
    """
    _wrk(system, bodies, clients, warm)
    system.settle()
    return _counted(system, lambda: _wrk(system, bodies, clients, seconds))


def open_loop(system: System, questions: Path, rate: float, seconds: float) -> Figures:
    """Questions that arrive at random at this rate, whatever the service does; a latency counts from the arrival."""

    def asked() -> Figures:
        generator = [sys.executable, "-m", "benchmarks.load", system.url, str(questions)]
        generator += ["--skip", str(system.asked[questions.stem]), "--clients", str(CONNECTIONS)]
        ran = _output([*generator, "--seconds", str(seconds), "--rate", f"{rate:.1f}"], seconds)
        system.asked[questions.stem] += ran["asked"]
        statuses = ran.pop("statuses")
        return ran | {"answers": ran.pop("asked"), "other": sum(statuses.values()) - statuses.get("200", 0)}

    return _counted(system, asked)


def _wrk(system: System, bodies: Path, clients: int, seconds: float) -> Figures:
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit(MISSING)
    generator = [program, "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(SCRIPT), system.url]
    ran = _output([*generator, "--", str(bodies), str(system.asked[bodies.stem])], seconds)
    system.asked[bodies.stem] += ran["answers"] + clients  # those that were under way at the end were asked, too
    ran["per_s"] = ran["answers"] / ran.pop("seconds")
    return ran


def _output(generator: list[str], seconds: float) -> Figures:
    """The last line that a generator prints, as JSON."""
    ran = subprocess.run(generator, check=True, stdout=subprocess.PIPE, timeout=seconds + 60)
    figures: Figures = json.loads(ran.stdout.splitlines()[-1])
    return figures


def _counted(system: System, load: Callable[[], Figures]) -> Figures:
    """The figures of a load, with CPU ms a question, of all threads and of each kind, and the memory after it."""
    system.settle()
    before = system.cpu_s()
    figures = load()
    spent = {name: seconds - before.get(name, 0.0) for name, seconds in system.cpu_s().items()}
    answers = max(figures["answers"], 1)
    figures["cpu_ms"] = sum(spent.values()) * 1000 / answers
    figures["threads_ms"] = {name: seconds * 1000 / answers for name, seconds in spent.items() if seconds > 0}
    figures["resident_mb"], figures["own_mb"] = system.memory_mb()
    return figures
