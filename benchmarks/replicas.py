"""Three replicas under load while models, processes, Qdrant and PostgreSQL come and go: what the askers notice.

    python -m benchmarks.replicas [--away 20] [--clients 3] [--only "Qdrant is away"] [--mode copies|server]

Three services with homes of their own, one PostgreSQL, one store of bundles, and Qdrant: the server that QDRANT_URL or
QDRANT_URLS names, behind proxies that cut it off, or the tests' stand-in, which is killed. `tests/replicas` has the
scenarios. *failed* are requests that got neither an answer nor 503 with Retry-After, without those that a killed
process had (*in flight*). *to heal*: seconds from the end of the fault until every replica is ready and answers what
was edited before it, during it and after it. Both with local copies and with FAQ_LOCAL_VECTORS=0. Writes
benchmarks/results/replicas.json and .md, unless --only or --mode is given. Exit status 1 if an answer was wrong or an
edit was lost.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.cloud_faq import RESULTS
from tests import bundles, postgres
from tests.faults.nodes import Nodes, nodes_behind_proxies
from tests.replicas.installation import installation
from tests.replicas.scenarios import SCENARIOS, Result, Scenario, run

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
    report: dict[str, list[Result]] = {}
    lost: list[str] = []
    with nodes_behind_proxies() as nodes, postgres.server() as server:
        kind = "the stand-in for Qdrant" if nodes.stand_in else f"a Qdrant server of {len(nodes.urls)} nodes"
        for mode in [options.mode] if options.mode else MODES:
            report[mode], missing = measured(nodes, server, MODES[mode], wanted, options.away, options.clients)
            lost += missing
    text = page(report, kind, lost)
    sys.stdout.write(text)
    if options.only is None and options.mode is None:
        RESULTS.mkdir(exist_ok=True)
        rows = {mode: [asdict(result) for result in results] for mode, results in report.items()}
        figures = {"cores": os.cpu_count(), "qdrant": kind, "lost": lost, **rows}
        (RESULTS / "replicas.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        (RESULTS / "replicas.md").write_text(text, encoding="utf-8")
    sys.exit(bool(lost) or any(result.wrong for results in report.values() for result in results))


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


def page(report: dict[str, list[Result]], kind: str, lost: Sequence[str]) -> str:
    """The tables, in Markdown."""
    lines = [f"Three replicas, PostgreSQL and {kind}; acknowledged edits that were lost: {len(lost)}.", ""]
    for mode, results in report.items():
        lines += [f"**{TITLES[mode]}**", "", "| " + " | ".join(COLUMNS.values()) + " |", "|---" * len(COLUMNS) + "|"]
        for result in results:
            cells = asdict(result) | {"heal_s": f"{result.heal_s:.1f}"}
            lines.append("| " + " | ".join(str(cells[column]) for column in COLUMNS) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
