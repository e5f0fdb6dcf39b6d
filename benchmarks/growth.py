"""How the embedded index grows: build time, size, memory, latency and recall, by a scan and by the engine.

    python -m benchmarks.growth [--entries 1000,10000,100000] [--dimension 384]

Synthetic entries: one answer and one question vector each, drawn around as many topics as a FAQ of that size would have
(a hundredth), so that neighbours are as near as texts on one topic are; questions are entries with noise. Recall is the
share of the ten entries nearest by either vector that are found. A million is estimated from the last two sizes, as all
but recall grows by a power of the size. Writes benchmarks/results/growth.json and .md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from app.index.candidates import Candidate, Question
from app.index.document_words import DocumentWords, Frequencies
from app.index.packed import BLOCK, Packed
from app.index.postings import Postings
from app.index.scan import Scan, Searched
from app.index.vector_file import ROWS, VectorFile, VectorFileWriter
from app.index.words import Sparse, WordTokenizer
from app.text.words import PLAIN as UNSTEMMED
from benchmarks.places import RESULTS

Matrix = NDArray[np.float32]
Figures = dict[str, float]

QUESTIONS = 100
BATCH = 500
INT8 = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, always_ram=True)
PLAIN, GRAPH = edge.HnswIndexConfig(0, 4, 10**9), edge.HnswIndexConfig(16, 64, 1)
SCAN = "scan, 8 bits"  # app.index.packed; the others are the engine
FORMS: dict[str, dict[str, Any]] = {
    SCAN: {},
    "exact": {},
    "exact, 8 bits": {"quantization_config": INT8, "hnsw_config": PLAIN},
    "HNSW, 8 bits": {"quantization_config": INT8, "hnsw_config": GRAPH},
}
RESCORED = edge.QuantizationSearchParams(rescore=True, oversampling=2.0)
ESTIMATED = 1_000_000


def main() -> None:
    """Every size in every form, each in a process of its own, so that memory is its own too."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--entries", default="1000,10000,100000")
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        entries, form = options.one
        sys.stdout.write(json.dumps(measured(int(entries), form, options.dimension)) + "\n")
        return
    sizes = [int(size) for size in options.entries.split(",")]
    report: dict[str, dict[str, Figures]] = {form: {} for form in FORMS}
    for size in sizes:
        for form in FORMS:
            code = [sys.executable, "-m", "benchmarks.growth", "--dimension", str(options.dimension)]
            ran = subprocess.run([*code, "--one", str(size), form], check=True, stdout=subprocess.PIPE)
            report[form][str(size)] = json.loads(ran.stdout)
            print(form, size, report[form][str(size)], file=sys.stderr)
    for sizes_of_form in report.values():
        sizes_of_form[f"{ESTIMATED} (estimated)"] = estimated(sizes_of_form, sizes)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "growth.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "growth.md").write_text(page(report), encoding="utf-8")
    print(page(report))


def made(entries: int, dimension: int) -> tuple[Matrix, Matrix, Matrix]:
    """Answers and questions of the entries, (entries, dimension), and questions to ask, (QUESTIONS, dimension)."""
    random = np.random.default_rng(0)
    topics = random.standard_normal((max(entries // 100, 10), dimension), dtype=np.float32)

    def near(vectors: Matrix, noise: float) -> Matrix:
        moved = vectors + noise * random.standard_normal(vectors.shape, dtype=np.float32)
        unit: Matrix = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
        return unit

    answers = near(topics[random.integers(0, len(topics), entries)], 1.0)
    noise = 0.8 / dimension**0.5
    questions = near(answers, noise)
    return answers, questions, near(questions[random.integers(0, entries, QUESTIONS)], noise)


def measured(entries: int, form: str, dimension: int) -> Figures:
    """Build one index, open it, ask it."""
    answers, questions, asked = made(entries, dimension)
    with tempfile.TemporaryDirectory() as directory:
        started = time.process_time(), time.perf_counter()
        builder = build_scan if form == SCAN else build
        builder(Path(directory), answers, questions, FORMS[form])
        built = time.process_time() - started[0], time.perf_counter() - started[1]
        size = sum(path.stat().st_blocks * 512 for path in Path(directory).rglob("*") if path.is_file())
        before = _resident_mb()
        asking = scan if form == SCAN else search
        nearest_ids, latencies, resident = asking(Path(directory), asked, form)
        memory = resident - before
    return {
        "build_s": round(built[1], 2),
        "build_cpu_s": round(built[0], 2),
        "disk_mb": round(size / 2**20),
        "memory_mb": round(memory),
        "search_p50_ms": round(float(np.median(latencies)), 3),
        "search_p99_ms": round(float(np.percentile(latencies, 99)), 3),
        "recall_at_10": round(_recall(nearest_ids, (answers, questions), asked), 4),
    }


def build(directory: Path, answers: Matrix, questions: Matrix, form: dict[str, Any]) -> None:
    """Write a shard of the engine; optimised where the form says how."""
    multi = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    params = edge.EdgeVectorParams(answers.shape[1], edge.Distance.Dot, multivector_config=multi, **form)
    optimizers = edge.EdgeOptimizersConfig(indexing_threshold=1) if form else None
    vectors = {"answer": params, "questions": params}
    shard = edge.EdgeShard.create(
        str(directory), edge.EdgeConfig(vectors=vectors, wal_enabled=False, optimizers=optimizers)
    )
    for start in range(0, len(answers), BATCH):
        points = [
            edge.Point(i, {"answer": [answers[i].tolist()], "questions": [questions[i].tolist()]}, {"id": str(i)})
            for i in range(start, min(start + BATCH, len(answers)))
        ]
        shard.update(edge.UpdateOperation.upsert_points(points))
    if form:
        shard.optimize()
    shard.flush()
    shard.close()


def build_scan(directory: Path, answers: Matrix, questions: Matrix, _: dict[str, Any]) -> None:
    """Write what is scanned, without words."""
    with VectorFileWriter(directory) as rows:
        for answer, question in zip(answers, questions, strict=True):
            rows.add([Candidate("", {}, answer[None], question[None], question[:0].reshape(0, len(question)))])
    documents = DocumentWords.of(Sparse([], []) for _ in answers)
    Postings.of(documents, Frequencies.of(documents)).save(directory)


def scan(directory: Path, asked: Matrix, _: str) -> tuple[list[set[int]], list[float], float]:
    """As `search`."""
    bounds = np.load(directory / ROWS)
    rows, postings = VectorFile(directory, len(bounds), asked.shape[1]), Postings.open(directory, len(bounds))
    opened = Scan([Searched(Packed(rows.bounds, rows.blocks(BLOCK)), postings)], WordTokenizer(UNSTEMMED))
    nearest_ids, latencies = [], []
    for vector in [*asked[:10], *asked]:
        start = time.perf_counter()
        ((nearest, _scores),) = opened.nearest([Question("", vector)], [10])
        latencies.append((time.perf_counter() - start) * 1000)
        nearest_ids.append(set(nearest.tolist()))
    return nearest_ids[10:], latencies[10:], _resident_mb()


def search(directory: Path, asked: Matrix, form: str) -> tuple[list[set[int]], list[float], float]:
    """The ten found for each question by each vector, and the milliseconds of both searches together; and MB."""
    shard = edge.EdgeShard.load(str(directory))
    params = edge.SearchParams(quantization=RESCORED, hnsw_ef=128) if FORMS[form] else None
    nearest_ids, latencies = [], []
    for vector in [*asked[:10], *asked]:  # the first ten twice, to have the pages in memory
        start = time.perf_counter()
        requests = [
            edge.QueryRequest(10, query=edge.Query.Nearest(vector.tolist(), using=name), params=params)
            for name in ("answer", "questions")
        ]
        results = shard.query_batch(edge.QueryBatchRequest(requests))
        latencies.append((time.perf_counter() - start) * 1000)
        nearest_ids.append({int(point.id) for points in results for point in points})
    resident = _resident_mb()
    shard.close()
    return nearest_ids[10:], latencies[10:], resident


def _recall(nearest_ids: list[set[int]], sides: tuple[Matrix, Matrix], asked: Matrix) -> float:
    """Of the ten nearest by either vector together."""
    nearest = [np.argsort(-(asked @ vectors.T), axis=1)[:, :10] for vectors in sides]
    exact = [set(row.tolist()) for row in np.concatenate(nearest, axis=1)]
    return float(np.mean([len(ids & best) / len(best) for ids, best in zip(nearest_ids, exact, strict=True)]))


def estimated(figures_by_size: dict[str, Figures], sizes: list[int]) -> Figures:
    """Each figure at a million, by the power of the size that leads from the last size but one to the last."""
    before, last = figures_by_size[str(sizes[-2])], figures_by_size[str(sizes[-1])]
    figures = {}
    for name in last:
        if name != "recall_at_10" and before[name] > 0 and last[name] > 0:
            power = log(last[name] / before[name]) / log(sizes[-1] / sizes[-2])
            figures[name] = round(last[name] * (ESTIMATED / sizes[-1]) ** power, 1)
    return figures


def page(report: dict[str, dict[str, Figures]]) -> str:
    """The report as a page of Markdown."""
    columns = list(next(iter(report["exact"].values())))
    lines = ["# How the embedded index grows", "", f"| form | entries | {' | '.join(columns).replace('_', ' ')} |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for form, sizes in report.items():
        for size, figures in sizes.items():
            lines.append(f"| {form} | {size} | {' | '.join(str(figures.get(name, '')) for name in columns)} |")
    return "\n".join(lines) + "\n"


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
