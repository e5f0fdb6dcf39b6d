"""Every recipe side by side: the cloud FAQ in both protocols, Quora's duplicates, the echo test, and what it costs.

    python -m benchmarks.every_recipe [--only base,quick,frozen-head] [--work DIR] [--texts 10000]

The cloud FAQ is split as in benchmarks.cloud_faq; `pairs` reads the same rows as scored pairs, one subgroup an answer.
Of Quora's training texts so many are taken, by whole labels. A run or a figure that the work directory holds is neither
trained nor measured again, and rows of earlier calls stay in benchmarks/results/every_recipe.json and .md.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cloud_faq import Row, evaluated, split_files
from benchmarks.places import CLOUD_FAQ, RESULTS, SHARED

OUT = RESULTS / "every_recipe.json"
CLOUD = {
    "tutorial": ("validation", "validation", "tutorial"),
    "answers_validation": ("queries", "validation_answers", "answers"),
    "answers_all": ("queries", "all_answers", "answers"),
}  # name: queries, index, protocol
QUORA = {"quora": ("quora_queries", "quora_index", "answers")}
METRICS = {"tutorial": ("precision@1", "mrr"), "answers_all": ("precision@1", "mrr", "outranks_echo")}
NINE = ("average_precision", "dcg@20", "f1@20", "hit@20", "ndcg@20", "precision@20", "r_precision", "recall@20", "mrr")


@dataclass(frozen=True)
class System:
    """A row of the table: what is trained on what, and measured by what."""

    data: str
    options: tuple[str, ...]
    measures: dict[str, tuple[str, str, str]]


SYSTEMS = {
    "base": System("train", ("--epochs", "0"), CLOUD | QUORA),
    **{
        name: System("train", ("--recipe", name), CLOUD) for name in ("quick", "default", "lora", "frozen-head", "dual")
    },
    "pairs": System("pairs", ("--recipe", "pairs"), CLOUD),
    "groups": System("quora_train", ("--recipe", "groups"), QUORA),
    "groups, hard": System("quora_train", ("--recipe", "groups", "--loss", "hard-triplets"), QUORA),
    "default on labels": System("quora_train", ("--recipe", "default"), QUORA),
}


def main() -> None:
    """Train and measure what is missing, write after each recipe."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=CLOUD_FAQ)
    parser.add_argument("--quora", type=Path, default=SHARED, help="the folder of Quora's files")
    parser.add_argument("--texts", type=int, default=10_000, help="of Quora to train on")
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-recipes"))
    parser.add_argument("--only", default=";".join(SYSTEMS), help="names with a semicolon between them")
    options = parser.parse_args()
    files = prepared(options.data, options.quora, options.texts, options.work)
    report: dict[str, Any] = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    for name in options.only.split(";"):
        report[name] = row(SYSTEMS[name], files, options.work / name.replace(", ", "-").replace(" ", "-"))
        OUT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        OUT.with_suffix(".md").write_text(page(report), encoding="utf-8")
    print(page(report))


def prepared(data: Path, quora: Path, texts: int, work: Path) -> dict[str, Path]:
    """Every file that is trained on or measured by."""
    files = split_files(data, work)
    rows = [json.loads(line) for line in files["train"].read_text(encoding="utf-8").splitlines()]
    answers = {answer: i for i, answer in enumerate(dict.fromkeys(row["answer"] for row in rows))}
    pairs = [{"a": row["question"], "b": row["answer"], "subgroup": answers[row["answer"]]} for row in rows]
    lines = (quora / "quora_train.jsonl").read_text(encoding="utf-8").splitlines()
    made = {"pairs": pairs, "quora_train": whole_labels([json.loads(line) for line in lines], texts)}
    for name, content in made.items():
        files[name] = work / f"{name}.jsonl"
        files[name].write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    return files | {f"quora_{name}": quora / f"quora_dev_{name}.jsonl" for name in ("queries", "index")}


def whole_labels(rows: Sequence[Row], texts: int) -> list[Row]:
    """About so many texts, of whole labels, chosen by the labels' hashes."""
    chosen = sorted(rows, key=lambda row: (hashlib.sha256(str(row["label"]).encode()).digest(), row["text"]))
    last = chosen[min(texts, len(chosen)) - 1]["label"]
    return [row for i, row in enumerate(chosen) if i < texts or row["label"] == last]


def row(system: System, files: dict[str, Path], work: Path) -> Row:
    """One system's cost and figures."""
    work.mkdir(parents=True, exist_ok=True)
    cost = trained(files[system.data], work, system.options)
    measured: Row = {"options": list(system.options), **cost}
    for name, (queries, index, protocol) in system.measures.items():
        kept = work / f"{name}.json"
        if not kept.is_file():
            figures = evaluated(work / "run" / "bundle", files[queries], files[index], protocol, work, base=False)
            kept.write_text(json.dumps(next(iter(figures["systems"].values()))), encoding="utf-8")
        measured[name] = json.loads(kept.read_text(encoding="utf-8"))
    return measured


def trained(data: Path, work: Path, options: Sequence[str]) -> dict[str, float]:
    """Seconds that the run took, of the clock and of processors; trained, or carried on with, unless it is there."""
    run, kept = work / "run", work / "cost.json"
    cost = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {"seconds": 0.0, "cpu_seconds": 0.0}
    if (run / "bundle").is_dir():
        return {name: round(value, 1) for name, value in cost.items()}
    begun = ["--resume", str(run)] if run.is_dir() else ["--data", str(data), "--out", str(run), *options]
    started, before = time.perf_counter(), _cpu()
    try:
        subprocess.run([sys.executable, "-m", "trainer", "fit", *begun], check=True)
    finally:
        cost = {
            "seconds": cost["seconds"] + time.perf_counter() - started,
            "cpu_seconds": cost["cpu_seconds"] + _cpu() - before,
        }
        kept.write_text(json.dumps(cost), encoding="utf-8")
    return {name: round(value, 1) for name, value in cost.items()}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def page(report: dict[str, Any]) -> str:
    """The report as a page of Markdown."""
    lines = [
        "# Every recipe",
        "",
        "Cloud FAQ: 4,780 rows to train on, 1,593 to validate. Seconds: training, export, calibration and report.",
        "Echo: the share of questions whose answer is nearer to them than their own text, were that an answer.",
        "",
        "| recipe | s | CPU s | tutorial P@1 | MRR | all answers P@1 | MRR | echo |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in report.items():
        if "tutorial" in figures:
            cells = [figure(figures[key], metric) for key, names in METRICS.items() for metric in names]
            lines.append(f"| {name} | {figures['seconds']:.0f} | {figures['cpu_seconds']:.0f} | {' | '.join(cells)} |")
    lines += ["", "Quora: 2,500 queries against 7,744 texts; relevant are those of the same label.", ""]
    lines += [f"| recipe | s | CPU s | {' | '.join(NINE)} |", "|---" * (3 + len(NINE)) + "|"]
    for name, figures in report.items():
        if "quora" in figures:
            cells = [figure(figures["quora"], metric, interval=metric == "mrr") for metric in NINE]
            lines.append(f"| {name} | {figures['seconds']:.0f} | {figures['cpu_seconds']:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def figure(figures: Row, name: str, *, interval: bool = True) -> str:
    """A figure, and its 95 % interval where there is one."""
    if name not in figures:
        return ""
    low, high = figures["intervals"].get(name, (None, None)) if interval else (None, None)
    return f"{figures[name]:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
