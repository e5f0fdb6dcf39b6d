"""How near the estimated share of unanswerable questions comes to the true one, with the base model.

    python -m benchmarks.shares [--work DIR]

Exports the base model for each set (`fit --epochs 0`), unless the work directory holds the run, publishes it, and asks
the set's real questions, each of a client of its own. `stated` is the default share. `u alone` is the estimate without
histograms of held-out questions: expectation maximisation on the probabilities u, under the same prior.

Writes benchmarks/results/shares.json and .md.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from app.encoding.bundle import Bundle
from app.ranking.adaptation import CENTRES, LEAST, MOST, STRENGTH, Adaptation
from app.ranking.logistic import sigmoid
from app.ranking.unanswerable import DEFAULT_SHARE, log_odds
from app.releases.catalog import Catalog
from app.releases.publishing import publish
from app.settings import Settings
from benchmarks.generalize.sets import OWN, Faq, faq
from benchmarks.places import RESULTS, SHARED

SETS = ("banking50", "clinc_banking", "hint3_sofmattress", "sample", "clinc150")
STEPS = 200


def main() -> None:
    """Measure every set and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("runs/shares"))
    options = parser.parse_args()
    report = {}
    for name in SETS:
        bundle = _bundle(name, options.work / name)
        report[name] = asyncio.run(_measured(faq(name, "full", 0), bundle, options.work / f"{name}-home"))
        print(name, report[name], flush=True)
    (RESULTS / "shares.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "shares.md").write_text(_page(report), encoding="utf-8")


def _bundle(name: str, run: Path) -> Bundle:
    if not (run / "bundle").is_dir():
        data = OWN / "faq.jsonl" if name == "sample" else SHARED / f"{name}.jsonl"
        command = [sys.executable, "-m", "trainer", "fit", "--data", str(data), "--epochs", "0", "--out", str(run)]
        subprocess.run(command, check=True)
    return Bundle.load(run / "bundle")


async def _measured(known: Faq, bundle: Bundle, home: Path) -> dict[str, float]:
    """Ask every question of a release of the set."""
    catalog = Catalog(Settings(home=home))
    try:
        answerer = await catalog.open(await publish(catalog, bundle, known.served))
        try:
            for number, query in enumerate(known.queries):
                await answerer.ask([query.question], client=str(number))
            return _row(known, answerer.adaptation)
        finally:
            await answerer.close()
    finally:
        await catalog.close()


def _row(known: Faq, adaptation: Adaptation) -> dict[str, float]:
    estimate = adaptation.estimate()
    if estimate is None:
        raise RuntimeError(f"The release of {known.name} has no calibration of its own")
    true = float(np.mean([query.unanswerable for query in known.queries]))
    row = {"true": true, "stated": DEFAULT_SHARE, "estimated": estimate.share, "u alone": _alone(adaptation)}
    return {"questions": estimate.questions, **{key: round(value, 3) for key, value in row.items()}} | {
        "misfit": round(estimate.misfit, 3)
    }


def _alone(adaptation: Adaptation) -> float:
    """The share by the probabilities u alone."""
    counts, total, share = np.array(adaptation.asked.counts), adaptation.asked.total, DEFAULT_SHARE
    for _ in range(STEPS):
        u = sigmoid(CENTRES - log_odds(DEFAULT_SHARE) + log_odds(share))
        share = float(STRENGTH * DEFAULT_SHARE + (counts * u).sum()) / (STRENGTH + total)
    return float(np.clip(share, LEAST, MOST))


def _page(report: dict[str, Any]) -> str:
    columns = list(next(iter(report.values())))
    lines = [
        "# The share of unanswerable questions, estimated",
        "",
        "`python -m benchmarks.shares`; see its docstring.",
        "",
        f"| set | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    lines += [f"| {name} | {' | '.join(str(row[key]) for key in columns)} |" for name, row in report.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
