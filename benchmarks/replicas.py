"""Three replicas under load while models, processes, Qdrant and PostgreSQL come and go: what the askers notice.

    python -m benchmarks.replicas [--away 20] [--clients 3] [--only "Qdrant is away"] [--mode copies|server]

Three services with homes of their own, one PostgreSQL, one store of bundles, and Qdrant: the server that QDRANT_URL or
QDRANT_URLS names, behind proxies that cut it off, or the tests' stand-in, which is killed. `tests/replicas` has the
scenarios. *failed* are requests that got neither an answer nor 503 with Retry-After, without those that a killed
process had (*in flight*). *to heal*: seconds from the end of the fault until every replica is ready and answers what
was edited before it, during it and after it. Both with local copies and with FAQ_LOCAL_VECTORS=0. Writes
benchmarks/results/replicas.json and .md, in which scenarios that do not run keep their figures. Exit status 1 if an
answer was wrong or an edit was lost.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app import cores
from benchmarks.places import RESULTS
from tests import bundles, postgres
from tests.faults.nodes import Nodes, nodes_behind_proxies
from tests.replicas.installation import installation
from tests.replicas.scenarios import SCENARIOS, Result, Scenario, run

FILE = RESULTS / "replicas.json"
MODES = {"copies": 100_000, "server": 0}  # FAQ_LOCAL_VECTORS
TITLES = {"copies": "Answered from local copies", "server": "Answered by Qdrant (FAQ_LOCAL_VECTORS=0)"}
COLUMNS = {
    "scenario": "scenario",
    "requests": "requests",
    "wrong": "wrong",
    "failed": "failed",
    "in_flight": "in flight",
    "refused": "503",
    "heal_s": "to heal, s",
}


def main() -> None:
    """Run the scenarios, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--away", type=float, default=20.0, help="seconds for which something is away")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--only", help="the name of one scenario")
    parser.add_argument("--mode", choices=MODES, help="one mode instead of both")
    options = parser.parse_args()
    wanted = [scenario for scenario in SCENARIOS if options.only in (None, scenario.name)]
    modes = [options.mode] if options.mode else list(MODES)
    lost: list[str] = []
    results: dict[str, list[Result]] = {}
    with nodes_behind_proxies() as nodes, postgres.server() as server:
        kind = "the stand-in for Qdrant" if nodes.stand_in else f"a Qdrant server of {len(nodes.urls)} nodes"
        for mode in modes:
            results[mode], missing = measured(nodes, server, MODES[mode], wanted, options.away, options.clients)
            lost += missing
    figures = merged(kind, results)
    text = page(figures)
    sys.stdout.write(text)
    RESULTS.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    FILE.with_suffix(".md").write_text(text, encoding="utf-8")
    if lost:
        sys.stderr.write(f"error: acknowledged edits were lost: {', '.join(lost)}\n")
    sys.exit(bool(lost) or any(result.wrong for of_mode in results.values() for result in of_mode))


def merged(kind: str, results: dict[str, list[Result]]) -> dict[str, Any]:
    """The figures to keep: those of this run, and of scenarios that it left out those of before."""
    before = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    figures: dict[str, Any] = {"cores": cores.usable(), "qdrant": kind}
    for mode in MODES:
        rows = {row["scenario"]: row for row in before.get(mode, ()) if before["qdrant"] == kind}
        rows |= {result.scenario: asdict(result) for result in results.get(mode, ())}
        figures[mode] = [rows[scenario.name] for scenario in SCENARIOS if scenario.name in rows]
    return figures


def measured(
    nodes: Nodes, server: postgres.Server, limit: int, wanted: Sequence[Scenario], away_s: float, clients: int
) -> tuple[list[Result], list[str]]:
    """The results of the scenarios on one installation, and the entries of which an edit was lost."""
    with tempfile.TemporaryDirectory() as directory:
        made = [bundles.make(Path(directory) / f"bundle-{seed}", seed=seed) for seed in range(2)]
        with installation(Path(directory), nodes, server, made, limit) as site:
            results = []
            for scenario in wanted:
                results.append(run(site, scenario, away_s, clients))
                sys.stderr.write(f"{results[-1]}\n")
            return results, site.lost()


def page(figures: dict[str, Any]) -> str:
    """The tables, in Markdown."""
    lines = [f"Three replicas, PostgreSQL and {figures['qdrant']}.", ""]
    for mode, title in TITLES.items():
        lines += [f"**{title}**", "", "| " + " | ".join(COLUMNS.values()) + " |", "|---" * len(COLUMNS) + "|"]
        for row in figures[mode]:
            cells = row | {"heal_s": f"{row['heal_s']:.1f}"}
            lines.append("| " + " | ".join(str(cells[column]) for column in COLUMNS) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
