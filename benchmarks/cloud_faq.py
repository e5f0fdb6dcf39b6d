"""The cloud FAQ: base against fine-tuned, on a quarter of the tutorial's training data that neither has seen.

    python -m benchmarks.cloud_faq [--data FILE] [--work DIR] [--fit-options "--recipe default"]

Writes benchmarks/results/cloud_faq.json and .md. The work directory keeps the run and the files that it was made from,
for measurements over HTTP: train.jsonl, validation.jsonl, all_answers.jsonl (passages), queries.jsonl.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.places import CLOUD_FAQ, RESULTS

SHARE, SEED = 0.25, 42
SECONDS = "fit_seconds"  # how long the run of the work directory took

Row = dict[str, Any]


def main() -> None:
    """Split, train, evaluate both protocols, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=CLOUD_FAQ)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-bench"))
    parser.add_argument("--fit-options", default="--recipe quick", help="options of `trainer fit`, in one string")
    options = parser.parse_args()
    files = split_files(options.data, options.work)
    run = fitted(files["train"], options.work / "run", options.fit_options.split())
    seconds = float((options.work / SECONDS).read_text(encoding="utf-8"))
    bundle = run / "bundle"
    report = {
        "data": {"train": _count(files["train"]), "validation": _count(files["validation"]), "seed": SEED},
        "fit_options": options.fit_options,
        "fit_seconds": round(seconds, 1),
        "tutorial": evaluated(bundle, files["validation"], files["validation"], "tutorial", options.work),
        "answers_validation": evaluated(bundle, files["queries"], files["validation_answers"], "answers", options.work),
        "answers_all": evaluated(bundle, files["queries"], files["all_answers"], "answers", options.work),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cloud_faq.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "cloud_faq.md").write_text(page(report), encoding="utf-8")
    print(page(report))


def split_files(data: Path, work: Path) -> dict[str, Path]:
    """Write the split, a quarter of each source for validation, and return its files by name."""
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    train, validation = split(rows)
    work.mkdir(parents=True, exist_ok=True)
    contents = {
        "train": train,
        "validation": validation,
        "all_answers": passages(rows),
        "validation_answers": passages(validation),
        "queries": [{"question": row["question"], "answer": row["answer"]} for row in validation],
    }
    return {name: _write(work / f"{name}.jsonl", content) for name, content in contents.items()}


def split(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Training and validation rows, three to one in every source."""
    sources: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        sources[row["source"]].append(row)
    train, validation = [], []
    for name in sorted(sources):
        shuffled = sources[name]
        random.Random(f"{SEED}/{name}").shuffle(shuffled)
        cut = round(SHARE * len(shuffled))
        validation += shuffled[:cut]
        train += shuffled[cut:]
    return train, validation


def passages(rows: list[Row]) -> list[Row]:
    """The distinct answers, without their questions."""
    answers = dict.fromkeys(row["answer"] for row in rows)
    return [{"id": f"answer-{i}", "answer": answer} for i, answer in enumerate(answers)]


def fitted(train: Path, run: Path, options: list[str]) -> Path:
    """The run of that directory, trained unless it is there already."""
    if not (run / "bundle").is_dir():
        resume = ["--resume", str(run)] if run.is_dir() else ["--data", str(train), "--out", str(run), *options]
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "trainer", "fit", *resume], check=True)
        (run.parent / SECONDS).write_text(f"{time.perf_counter() - started:.1f}", encoding="utf-8")
    return run


def evaluated(
    bundle: Path, queries: Path, index: Path, protocol: str, work: Path, *, base: bool = True
) -> dict[str, Any]:
    """What `trainer evaluate` says, fine-tuned and, unless it is not wanted, base."""
    out = work / "evaluated.json"
    files = ["--bundle", str(bundle), "--queries", str(queries), "--index", str(index), "--json", str(out)]
    files.append("--base" if base else "--no-base")
    subprocess.run([sys.executable, "-m", "trainer", "evaluate", *files, "--protocol", protocol], check=True)
    figures: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return figures


def page(report: dict[str, Any]) -> str:
    """The report as a page of Markdown."""
    names = {
        "tutorial": "tutorial's protocol",
        "answers_validation": "validation answers",
        "answers_all": "all answers",
    }
    lines = [
        "# Cloud FAQ",
        "",
        f"{report['data']['train']:,} pairs to train on, {report['data']['validation']:,} to validate; "
        f"fine-tuned, exported and calibrated in {report['fit_seconds']:.0f} s.",
        "",
        "| protocol | base P@1 | fine-tuned P@1 | gain | base MRR | fine-tuned MRR | gain |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, name in names.items():
        base, tuned = report[key]["systems"]["base"], report[key]["systems"]["fine-tuned"]
        cells = [f"{system[m]:.3f}" for m in ("precision@1", "mrr") for system in (base, tuned)]
        gains = [f"{tuned[m] - base[m]:+.3f}" for m in ("precision@1", "mrr")]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {gains[0]} | {cells[2]} | {cells[3]} | {gains[1]} |")
    return "\n".join(lines) + "\n"


def _count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
