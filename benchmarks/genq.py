"""Learning without labels: what generated queries alone gain on the real questions of the cloud FAQ.

    python -m benchmarks.genq --model MODEL [--endpoint URL] [--data FILE] [--work DIR] [--round-trip K] [--answers N]

A model, as `trainer generate` takes it, asks about the answers of the cloud FAQ's training part as if they had no
questions, and a bi-encoder learns from what it asked, filtered by the round trip. The split and the
protocols are those of benchmarks.cloud_faq. What the work directory holds already is not done again. Writes
benchmarks/results/genq.json and .md.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cloud_faq import Row, evaluated, passages, split_files
from benchmarks.places import CLOUD_FAQ, RESULTS
from trainer.data import generated_parts as parts
from trainer.generation.generate import RANKS
from trainer.generation.roundtrip import RoundTrip
from trainer.training.model import DEFAULT_BASE

PROTOCOLS = {
    "tutorial": ("tutorial's protocol", "validation", "validation", "tutorial"),
    "answers_validation": ("question -> validation answers", "queries", "validation_answers", "answers"),
    "answers_all": ("question -> all answers", "queries", "all_answers", "answers"),
}  # name: what it is called, queries, index, protocol
METRICS = ("precision@1", "mrr", "recall@10")
SAMPLES, SEED = 10, 0  # of the good queries, and of the bad ones


def main() -> None:
    """Ask, learn from it, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=CLOUD_FAQ)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-genq"))
    parser.add_argument("--model", required=True, help="what asks; see `trainer generate`")
    parser.add_argument("--endpoint", help="an OpenAI-compatible URL")
    parser.add_argument("--round-trip", type=int, default=3)
    parser.add_argument("--answers", type=int, help="ask about the first so many only; unset: about all")
    options = parser.parse_args()
    files = split_files(options.data, options.work)
    bare = _bare(files["train"], options.work / "train_answers.jsonl", options.answers)
    generated, run = options.work / "generated", options.work / "run"
    asker = ["--model", options.model, *(["--endpoint", options.endpoint] if options.endpoint else [])]
    source = [*asker, "--passages", str(bare), "--round-trip", str(options.round_trip)]
    _timed(options.work, "generate", ["generate", *source, "--out", str(generated)])
    _fit(run, ["--data", str(bare), "--generated", str(generated), "--recipe", "genq"])
    report = {
        "round_trip": options.round_trip,
        "answers": len(bare.read_text(encoding="utf-8").splitlines()),
        "model": options.model,
        "counts": json.loads((generated / "state.json").read_bytes())["counts"],
        "seconds": {path.stem: float(path.read_text()) for path in sorted(options.work.glob("*.seconds"))},
        "samples": samples(options.work, asker, bare, options.round_trip),
        "protocols": {
            name: evaluated(run / "bundle", files[queries], files[index], protocol, options.work)
            for name, (_, queries, index, protocol) in PROTOCOLS.items()
        },
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "genq.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (RESULTS / "genq.md").write_text(page(report), encoding="utf-8")
    print(page(report))


def _bare(train: Path, target: Path, count: int | None) -> Path:
    """The first so many distinct answers to train on, without their questions."""
    rows: list[Row] = [json.loads(line) for line in train.read_text(encoding="utf-8").splitlines()]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in passages(rows)[:count])
    target.write_text(content, encoding="utf-8")
    return target


def _fit(run: Path, options: Sequence[str]) -> None:
    """The run of that directory: begun, carried on with, or done already."""
    begun = (run / "config.json").is_file()
    _timed(run.parent, run.name, ["fit", *(["--resume", str(run)] if begun else [*options, "--out", str(run)])])


def _timed(work: Path, name: str, command: Sequence[str]) -> None:
    """Run the trainer, and add to the seconds that this step has taken; an instant one has been done before."""
    path = work / f"{name}.seconds"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "trainer", *command], check=True)
    before = float(path.read_text()) if path.is_file() else 0.0
    path.write_text(f"{before + time.perf_counter() - started:.1f}")


def samples(work: Path, asker: Sequence[str], bare: Path, round_trip: int) -> dict[str, list[dict[str, Any]]]:
    """Of the queries of some passages, generated again without a filter: some that it keeps, some that it drops."""
    answers = [json.loads(line)["answer"] for line in bare.read_text(encoding="utf-8").splitlines()]
    sampled = random.Random(SEED).sample(answers, 60)
    source = work / "sampled.jsonl"
    source.write_text(
        "".join(json.dumps({"answer": answer}, ensure_ascii=False) + "\n" for answer in sampled), encoding="utf-8"
    )
    command = ["generate", *asker, "--passages", str(source), "--out", str(work / "sampled")]
    subprocess.run([sys.executable, "-m", "trainer", *command], check=True)
    asked = parts.read(work / "sampled").pairs
    places = {parts.flat(answer): i for i, answer in enumerate(answers)}
    asked = [pair for pair in asked if pair.passage in places]
    ranks = RoundTrip(answers, DEFAULT_BASE).ranks(
        [pair.query for pair in asked], [places[pair.passage] for pair in asked]
    )
    rows = [{**pair._asdict(), "rank": rank} for pair, rank in zip(asked, ranks, strict=True)]
    random.Random(SEED).shuffle(rows)
    return {
        "kept": [row for row in rows if row["rank"] <= round_trip][:SAMPLES],
        "dropped": [row for row in rows if row["rank"] > round_trip][:SAMPLES],
    }


def page(report: dict[str, Any]) -> str:
    """The report as a page of Markdown."""
    counts = Counter(report["counts"])
    shares = ", ".join(f"{counts[f'at_{rank}'] / counts['tried']:.1%} at rank {rank}" for rank in RANKS)
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in report["seconds"].items())
    lines = [
        "# Learning without labels, on the cloud FAQ",
        "",
        f"{counts['asked']:,} queries made by {report['model']} for {report['answers']:,} answers, "
        f"{counts['empty']:,} empty, {counts['repeated']:,} repeated; "
        f"{counts['kept'] / counts['tried']:.1%} of the rest kept by the round trip (rank {report['round_trip']}); "
        f"their passage was found by {shares}. Wall time on a shared machine: {seconds}.",
        "",
        "| protocol | " + " | ".join(f"base {name} | trained | gain" for name in METRICS) + " |",
        "|---|" + "---|" * 3 * len(METRICS),
    ]
    for name, (title, *_) in PROTOCOLS.items():
        base, tuned = (report["protocols"][name]["systems"][system] for system in ("base", "fine-tuned"))
        cells = (
            f"{base[metric]:.3f} | {tuned[metric]:.3f} | {tuned[metric] - base[metric]:+.3f}" for metric in METRICS
        )
        lines.append(f"| {title} | {' | '.join(cells)} |")
    for title, key in (("kept", "kept"), ("dropped", "dropped")):
        lines += [
            "",
            f"## Sampled queries that the round trip {title}",
            "",
            "| query | passage | rank |",
            "|---|---|---|",
        ]
        lines += [f"| {row['query']} | {row['passage'][:160]} | {row['rank']} |" for row in report["samples"][key]]
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    main()
