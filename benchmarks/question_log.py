"""What the question log costs: services that differ in FAQ_LOG_QUESTIONS alone, under the same load, in turns.

    python -m benchmarks.question_log [--data FILE] [--work DIR] [--rounds 8] [--seconds 2] [--modes off counts]

Each round asks every service for a few seconds, in an order that rotates: questions that all differ, then questions
drawn by Zipf's law, which are mostly answered from the cache. A round compares each service with `off`; the report has the
median of the rounds and the interval of their quartiles. CPU time counts what the log still writes after the load.
Writes benchmarks/results/question_log.json.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from app.settings import Settings
from benchmarks import serving
from benchmarks.serving import KEY, System

RESULTS = Path(__file__).parent / "results"
SAMPLE = Path(__file__).parents[1] / "data" / "faq.jsonl"
FIRST_PORT = 8120
LOADS = {"distinct": [], "zipf": ["--zipf"]}


def main() -> None:
    """Start a service for each mode, take turns, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=SAMPLE)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-question-log"))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--modes", nargs="+", default=["off", "counts", "redacted", "full"])
    options = parser.parse_args()
    serving.favour()
    settings = serving.prepared(options.data, options.work)
    with ExitStack() as stack:
        systems = [
            stack.enter_context(service(settings, mode, FIRST_PORT + number))
            for number, mode in enumerate(options.modes)
        ]
        rounds = [one_round(systems, options, number) for number in range(options.rounds)]
        dropped = {system.name: not_logged(system) for system in systems}
    report = {
        "against off": compared(rounds),
        "not logged": dropped,
        "rounds": rounds,
        "load_average": round(os.getloadavg()[0], 1),
    }
    (RESULTS / "question_log.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: report[name] for name in ("against off", "not logged", "load_average")}, indent=2))


@contextmanager
def service(settings: Settings, mode: str, port: int) -> Iterator[System]:
    """A service with a copy of the FAQ_HOME, once it answers."""
    home = settings.home.with_name(f"home-{mode}")
    subprocess.run(["rm", "-rf", home], check=True)
    subprocess.run(["cp", "-r", "--sparse=always", settings.home, home], check=True)
    own = settings.model_copy(update={"home": home, "port": port, "log_questions": mode})
    serving.PORTS[mode] = port
    with serving.running(mode, [[sys.executable, "-m", "app"]], "/v1/ask", own.environment()) as system:
        yield system


def one_round(systems: Sequence[System], options: argparse.Namespace, number: int) -> dict[str, Any]:
    """Questions a second and CPU milliseconds a question of each service under each load."""
    figures: dict[str, Any] = {}
    start = number % len(systems)
    for load, arguments in LOADS.items():
        for system in (*systems[start:], *systems[:start]):
            before = system.cpu_s()
            measured = serving.load(system, options, *arguments)
            flush(system)
            cpu_ms = (system.cpu_s() - before) * 1000 / measured["asked"]
            figures.setdefault(load, {})[system.name] = {"per_s": measured["per_s"], "cpu_ms": round(cpu_ms, 4)}
    return figures


def flush(system: System) -> None:
    """Have the service write what waits: an erasure does that first."""
    url = system.url.replace("/ask", "/admin/questions")
    httpx2.delete(
        url, params={"session": "none"}, headers={"X-API-Key": KEY}, trust_env=False, timeout=60
    ).raise_for_status()


def not_logged(system: System) -> int:
    """How many questions the log dropped."""
    text = httpx2.get(system.url.replace("/v1/ask", "/metrics"), trust_env=False).text
    line = next(line for line in text.splitlines() if line.startswith("faqtual_questions_not_logged_total"))
    return int(float(line.split()[-1]))


def compared(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each load and mode the ratio to `off` within a round: median and quartiles."""
    ratios: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for figures in rounds:
        for load, systems in figures.items():
            for mode, measured in systems.items():
                for name, value in measured.items():
                    if mode != "off":
                        ratios[load][f"{mode} {name}"].append(value / systems["off"][name])
    return {
        load: {name: np.round(np.percentile(values, [25, 50, 75]), 3).tolist() for name, values in sorted(by.items())}
        for load, by in ratios.items()
    }


if __name__ == "__main__":
    main()
