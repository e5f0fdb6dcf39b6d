"""The recipes on the cloud FAQ: base, stage 1, stage 2 and adapters, both protocols, with confidence intervals.

    python -m benchmarks.recipes [--data FILE] [--work DIR] [--only quick,default,lora]

The split is that of benchmarks.cloud_faq. Stage 1 alone is the recipe `quick`, both stages are `default`. A run that
the work directory holds already is not trained again. Writes benchmarks/results/recipes.json and .md.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.cloud_faq import DATA, RESULTS, evaluated, fitted, split_files

RECIPES = {"quick": "stage 1", "default": "stage 1 and 2", "lora": "adapters, both stages"}
PROTOCOLS = {
    "tutorial": ("tutorial's protocol", "validation", "validation", "tutorial"),
    "answers_validation": ("validation answers", "queries", "validation_answers", "answers"),
    "answers_all": ("all answers", "queries", "all_answers", "answers"),
}  # name: what it is called, queries, index, protocol
METRICS = ("precision@1", "mrr")


def main() -> None:
    """Train what is not trained yet, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-recipes"))
    parser.add_argument("--only", default=",".join(RECIPES))
    options = parser.parse_args()
    files = split_files(options.data, options.work)
    report: dict[str, Any] = {}
    for name in options.only.split(","):
        directory = options.work / name
        directory.mkdir(exist_ok=True)
        started = time.perf_counter()
        run = fitted(files["train"], directory / "run", ["--recipe", name])
        report[name] = {"seconds": round(time.perf_counter() - started, 1)}
        for key, (_, queries, index, protocol) in PROTOCOLS.items():
            report[name][key] = evaluated(run / "bundle", files[queries], files[index], protocol, directory)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "recipes.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "recipes.md").write_text(page(report), encoding="utf-8")
    print(page(report))


def page(report: dict[str, Any]) -> str:
    """The report as a page of Markdown."""
    lines = [
        "# Recipes on the cloud FAQ",
        "",
        "| system | protocol | P@1 | gain | MRR | gain |",
        "|---|---|---|---|---|---|",
    ]
    for key, (title, *_) in PROTOCOLS.items():
        base = next(iter(report.values()))[key]["systems"]["base"]
        lines.append(f"| base | {title} | " + " | | ".join(f"{base[name]:.3f}" for name in METRICS) + " | |")
        for recipe, found in report.items():
            tuned = found[key]["systems"]["fine-tuned"]
            cells = " | ".join(f"{tuned[name]:.3f} | {tuned[name] - base[name]:+.3f}" for name in METRICS)
            lines.append(f"| {RECIPES[recipe]} | {title} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
