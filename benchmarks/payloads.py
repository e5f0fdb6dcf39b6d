"""The files of an embedded release: build, open, read, memory and disk, compared with another checkout.

    python -m benchmarks.payloads [--before DIR] [--entries 1500,6373,20000]

Entries are those of the cloud FAQ, each with two random vectors, so nothing is encoded. Every step of every checkout
runs in a process of its own, in turns; the best of three rounds counts. `read`: 40 payloads, of other entries each
time; `search`: the same question again and again, with its candidates; both in the time of their thread, so that other
load counts little. Memory: what building adds at its peak, and what opening the release and then reading every entry
adds; `own` is private, all else counts mapped files too. `--before`: a checkout whose releases keep their payloads in
the engine. Needs FAQ_SHARED_DATA. Writes benchmarks/results/payloads.json and .md.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np

from app.arrays import Vectors
from app.index.candidates import Candidate, Question
from app.index.embedded import EmbeddedStore
from app.index.protocol import IndexRecord
from benchmarks.places import SHARED

Figures = dict[str, float]
ROOT = Path(__file__).resolve().parents[1]
NAME = "faq-000000000000-000000000000"
DIMENSION, READ, LIMIT, ROUNDS, BATCH = 384, 40, 20, 3, 64


def main() -> None:
    """Every size, in both checkouts in turns."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--before", type=Path, help="a checkout to compare with")
    parser.add_argument("--entries", default="1500,6373,20000")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step, size, directory = options.step
        run = built if step == "build" else asked
        sys.stdout.write(json.dumps(asyncio.run(run(Path(directory), int(size)))) + "\n")
        return
    checkouts = {"before": options.before, "after": ROOT} if options.before else {"after": ROOT}
    report: dict[str, dict[str, Figures]] = {name: {} for name in checkouts}
    for size in map(int, options.entries.split(",")):
        for _ in range(ROUNDS):
            for name, checkout in checkouts.items():
                figures, best = measured(checkout, size), report[name].get(str(size), {})
                report[name][str(size)] = {key: min(value, best.get(key, value)) for key, value in figures.items()}
    results = ROOT / "benchmarks" / "results"
    (results / "payloads.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (results / "payloads.md").write_text(page(report), encoding="utf-8")
    print(page(report))


def measured(checkout: Path, size: int) -> Figures:
    """The figures of one checkout, by processes that run its code."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as directory:
        for step in ("build", "ask"):
            command = [sys.executable, "-P", str(Path(__file__).resolve()), "--step", step, str(size), directory]
            environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
            ran = subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=subprocess.PIPE)
            figures |= json.loads(ran.stdout)
    return {name: round(value, 4) for name, value in figures.items()}


def batches(count: int) -> Iterator[list[Candidate]]:
    """The entries of the cloud FAQ, from the start again where they are too few."""
    rows = [json.loads(line) for line in (SHARED / "cloud_faq_train.jsonl").read_text(encoding="utf-8").splitlines()]
    random = np.random.default_rng(0)
    for start in range(0, count, BATCH):
        vectors = random.standard_normal((min(BATCH, count - start), 2, DIMENSION), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        yield [_entry(f"e{i}", rows[i % len(rows)], of_entry) for i, of_entry in enumerate(vectors, start=start)]


def _entry(name: str, row: dict[str, str], vectors: Vectors) -> Candidate:
    texts = {"question": row["question"], "phrasings": [row["question"]], "negatives": [], "answer": row["answer"]}
    payload = {"id": name, **texts, "metadata": {"source": row["source"]}}
    return Candidate(name, payload, vectors[:1], vectors[1:], vectors[:0], digest=f"{name:0>64}")


async def built(directory: Path, size: int) -> Figures:
    """Seconds of a build, the most memory that it adds, and what it leaves on the disk."""
    record = IndexRecord(
        name=NAME, bundle="0", knowledge="0", entries=size, dimension=DIMENSION, created_at="", common_identifiers=[]
    )
    wall, cpu, before = time.perf_counter(), time.process_time(), getrusage(RUSAGE_SELF).ru_maxrss
    await EmbeddedStore(directory).build(record, batches(size))
    seconds = {"build_s": time.perf_counter() - wall, "build_cpu_s": time.process_time() - cpu}
    files = [path for path in (directory / NAME).rglob("*") if path.is_file()]
    peak = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024
    disk = sum(path.stat().st_blocks for path in files) / 2048
    return {**seconds, "build_peak_mb": peak, "files": len(files), "disk_mb": disk}


async def asked(directory: Path, size: int) -> Figures:
    """Milliseconds of opening, reading and searching, and MB of memory."""
    store, before = EmbeddedStore(directory), memory()
    cpu = time.process_time()
    index = await store.open(NAME)
    opened = (time.process_time() - cpu) * 1000
    random, segment = np.random.default_rng(1), index._segment
    after_opening = memory()
    payloads: Callable[[Sequence[int]], Any] = getattr(segment, "payloads", None) or (
        lambda numbers: list(segment.shard.payloads(numbers))  # type: ignore[attr-defined]
    )
    reads = random.permutation(size)[: size // READ * READ].reshape(-1, READ)[:100].tolist()
    read = [thread_ms(partial(payloads, numbers)) for numbers in reads]
    question = Question("how do i join a meeting", random.standard_normal(DIMENSION, dtype=np.float32))
    search = [thread_ms(lambda: index.search_now([question], [LIMIT])) for _ in range(200)]
    for start in range(0, size, READ):
        segment.read(range(start, min(start + READ, size)))
    after_reading = memory()
    await index.close()
    added = {f"opened_{kind}_mb": after_opening[kind] - before[kind] for kind in before}
    added |= {f"read_{kind}_mb": after_reading[kind] - before[kind] for kind in before}
    return {"open_cpu_ms": opened, "read_ms": float(np.median(read)), "search_ms": float(np.median(search)), **added}


def thread_ms(work: Callable[[], object]) -> float:
    """The time that this thread works."""
    start = time.thread_time()
    work()
    return (time.thread_time() - start) * 1000


def memory() -> dict[str, float]:
    """MB of this process: resident, and private."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {"resident": kilobytes["Rss"] / 1024, "own": kilobytes["Private_Dirty"] / 1024}


def page(report: dict[str, dict[str, Figures]]) -> str:
    """The report as a page of Markdown."""
    columns = list(next(iter(report["after"].values())))
    lines = ["# The files of an embedded release", "", f"| | entries | {' | '.join(columns).replace('_', ' ')} |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for name, sizes in report.items():
        for size, figures in sizes.items():
            lines.append(f"| {name} | {size} | {' | '.join(f'{figures[column]:.3g}' for column in columns)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
