"""A large FAQ in the embedded index: build, open, search with and without a filter, memory and disk.

    python -m benchmarks.large [--entries 100000] [--work DIR] [--keep]

Entries of six phrasings and an answer, made without encoding all their texts: see benchmarks.large_data. The store that
serves builds them; each question is asked once, one after the other. Recall: the share of the ten entries nearest by
their answer or any phrasing, compared exactly, that a search for 20 returns. Build and search run in processes of their
own. The time of a build includes making the entries, and its memory is the private memory at its peak. The memory of a
search is PSS after all questions, in which mapped files count as far as they are touched. An index is opened with its
files in the page cache, and its checksums are compared after that. Needs FAQ_SHARED_DATA. Writes
benchmarks/results/large.json and .md, in which sizes that do not run keep their figures.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from app.arrays import Integers, Vectors
from app.index.candidates import Question
from app.index.embedded import EmbeddedStore
from app.index.filters import AnyOf, FieldKinds, Filter, Range
from app.index.protocol import Index, IndexRecord
from app.index.vector_file import map_vectors
from benchmarks.large_data import LargeFaq, real
from benchmarks.places import RESULTS

Figures = dict[str, float]

NAME = "faq-000000000000-000000000000"
ASKED, LIMIT, NEAREST = 1_000, 20, 10
BLOCK = 2_000  # entries that are compared at a time
FILTERED = 100  # questions for each filter
FILTERS: dict[str, Filter] = {
    "75 %": {"lang": AnyOf(("en",))},
    "20 %": {"year": Range(2010, 2014)},
    "a category and a year, 1 %": {"category": AnyOf(("c1",)), "year": AnyOf((2010,))},
}
METADATA = {"category": "c1", "lang": "en", "year": 2000}


def main() -> None:
    """Build, then ask, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-large"))
    parser.add_argument("--keep", action="store_true", help="use an index that an earlier run built")
    parser.add_argument("--only", choices=("build", "ask"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        figures = asyncio.run((built if options.only == "build" else asked)(options.work, options.entries))
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    results = RESULTS / "large.json"
    report: dict[str, Figures] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    figures = report.get(str(options.entries), {}) if options.keep else {}
    for step in ("ask",) if options.keep else ("build", "ask"):
        command = [sys.executable, "-m", "benchmarks.large", "--entries", str(options.entries)]
        command += ["--work", str(options.work), "--only", step]
        ran = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        figures |= json.loads(ran.stdout)
    report[str(options.entries)] = figures
    results.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "large.md").write_text(page(report), encoding="utf-8")
    print(page(report))


async def built(work: Path, entries: int) -> Figures:
    """Build the index, and keep the questions with their exact results beside it."""
    store = EmbeddedStore(work / "index")
    await store.drop(NAME)
    faq = LargeFaq(real(work), entries)
    fields = FieldKinds()
    fields.add(METADATA)
    record = IndexRecord(
        name=NAME,
        bundle="000000000000",
        knowledge="000000000000",
        entries=entries,
        dimension=faq.dimension,
        created_at="2026-01-01T00:00:00Z",
        fields=fields.listed(),
        language="english",
        average_length=120,
        common_identifiers=[],
    )
    began = time.perf_counter(), time.process_time()
    building = asyncio.create_task(store.build(record, faq.batches()))
    peak = 0.0
    while not building.done():
        peak = max(peak, _private_mb())
        await asyncio.sleep(0.05)
    await building
    figures = {
        "build_s": round(time.perf_counter() - began[0], 1),
        "build_cpu_s": round(time.process_time() - began[1], 1),
        "build_mb": round(peak),
    }
    questions = faq.questions(ASKED)
    vectors = np.stack([question.vector for question in questions])
    np.savez(
        work / f"questions-{entries}.npz",
        texts=np.array([question.text for question in questions]),
        vectors=vectors,
        nearest=nearest(vectors, work / "index" / NAME),
    )
    return figures


def nearest(asked: Vectors, directory: Path) -> Integers:
    """The NEAREST entries by any of their vectors, (questions, NEAREST), compared exactly."""
    vectors, bounds = map_vectors(directory, asked.shape[1])
    of_blocks = []
    for start in range(0, len(bounds), BLOCK):
        rows = vectors[bounds[start, 0] : bounds[min(start + BLOCK, len(bounds)) - 1, 3]]
        firsts = bounds[start : start + BLOCK, 0] - bounds[start, 0]
        of_blocks.append(np.maximum.reduceat(asked @ rows.T, firsts, axis=1))
    best = np.concatenate(of_blocks, axis=1)
    return np.argpartition(-best, NEAREST, axis=1)[:, :NEAREST].astype(np.int64)


async def asked(work: Path, entries: int) -> Figures:
    """Open the index and ask all questions."""
    threadpool_limits(1, "blas")  # as a service does
    with np.load(work / f"questions-{entries}.npz") as kept:
        questions = [Question(str(text), vector) for text, vector in zip(kept["texts"], kept["vectors"], strict=True)]
        exact = kept["nearest"].tolist()
    began = time.perf_counter()
    index = await EmbeddedStore(work / "index").open(NAME, at_once=True)
    opened = time.perf_counter() - began
    began = time.perf_counter()
    await index.verified()
    verified = time.perf_counter() - began
    found, milliseconds, cpu = await timed(index, questions, {})
    hits = sum(len(of_one & {f"e{number}" for number in best}) for of_one, best in zip(found, exact, strict=True))
    figures = {
        "open_s": round(opened, 2),
        "verify_s": round(verified, 2),
        "recall_at_10": round(hits / ASKED / NEAREST, 4),
        **_percentiles("search", milliseconds),
        "search_cpu_ms": round(cpu, 2),
    }
    for name, where in FILTERS.items():
        _, milliseconds, cpu = await timed(index, questions[:FILTERED], where)
        figures |= _percentiles(f"filter, {name}", milliseconds)
    size = sum(path.stat().st_blocks * 512 for path in (work / "index" / NAME).rglob("*") if path.is_file())
    figures |= {"pss_mb": _pss_mb(), "disk_mb": round(size / 2**20)}
    await index.close()
    return figures


async def timed(
    index: Index, questions: Sequence[Question], where: Filter
) -> tuple[list[set[str]], list[float], float]:
    """The ids found for each question, the milliseconds of each, and those of CPU in the mean."""
    found, milliseconds = [], []
    began = time.process_time()
    for question in questions:
        start = time.perf_counter()
        candidates = await index.search(question, LIMIT, where)
        milliseconds.append((time.perf_counter() - start) * 1000)
        found.append({candidate.id for candidate in candidates})
    return found, milliseconds, (time.process_time() - began) * 1000 / len(questions)


def _percentiles(name: str, milliseconds: Sequence[float]) -> Figures:
    return {f"{name}_p{share}_ms": round(float(np.percentile(milliseconds, share)), 2) for share in (50, 95)}


def _pss_mb() -> float:
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return round(int(rollup.split("\nPss:")[1].split()[0]) / 1024)


def _private_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def page(report: dict[str, Figures]) -> str:
    """The report as a page of Markdown."""
    sizes = sorted(report, key=int)
    lines = ["# Large FAQs in the embedded index", "", f"| {' | '.join(['entries of six texts', *sizes])} |"]
    lines.append("|---" * (len(sizes) + 1) + "|")
    for row in dict.fromkeys(row for figures in report.values() for row in figures):
        lines.append(f"| {row.replace('_', ' ')} | {' | '.join(str(report[size].get(row, '')) for size in sizes)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
