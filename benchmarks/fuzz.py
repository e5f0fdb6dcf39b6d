"""Fuzzes every parser for a time, and reports a defect with the smallest input that shows it.

    python -m benchmarks.fuzz [--seconds N] [--seed N]

The targets are those of tests/fuzz, where each gets 150 inputs. Writes benchmarks/results/fuzz.json.
"""

import argparse
import contextlib
import json
import sys
import time
import traceback
from typing import Any

from hypothesis import HealthCheck, given, seed, settings

from benchmarks.places import RESULTS
from tests.fuzz.targets import REFUSALS, TARGETS, Target

ROUND = 200  # inputs of one round; each round has another seed


def main() -> None:
    """Fuzz all targets in turn. Exit status 1 for a defect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    report = {target.name: fuzz(target, options.seconds / len(TARGETS), options.seed) for target in TARGETS}
    (RESULTS / "fuzz.json").write_text(json.dumps({"seed": options.seed, **report}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    if any(row["defect"] for row in report.values()):
        sys.exit(1)


def fuzz(target: Target, seconds: float, first_seed: int) -> dict[str, Any]:
    """Run rounds until the time is up or there is a defect. Returns the counts, and the traceback of the defect."""
    counts = {"inputs": 0, "refused": 0}

    def check(value: object) -> None:
        counts["inputs"] += 1
        refused = True
        with contextlib.suppress(*REFUSALS):
            target.run(value)
            refused = False
        counts["refused"] += refused

    started, number = time.monotonic(), first_seed
    while time.monotonic() - started < seconds:
        quiet = settings(
            max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
        )
        try:
            seed(number)(quiet(given(target.inputs)(check)))()
        except BaseException:
            return {**counts, "seconds": round(time.monotonic() - started), "defect": traceback.format_exc()[-3000:]}
        number += 1
    return {**counts, "seconds": round(time.monotonic() - started), "defect": None}


if __name__ == "__main__":
    main()
