"""What an edit costs by an increment, and whether increments answer as a full rebuild does.

    python -m benchmarks.increments [--entries 10000,100000] [--edits 20] [--bundle DIR]

Costs: the release of each size is edited, one entry at a time, as the warm worker does it: `app.releases.increments`
alone, without HTTP and without the wait for edits that follow. A second catalog opens each release, as a service does.
The encoder is that of the tests, with vectors of 384 dimensions: it costs next to nothing.

Agreement, with --bundle, a real one: the cloud FAQ without 1,000 of its entries, whose questions are asked. In 20
increments, 5 % of the entries change: a third each is edited, removed and added. The same questions are then asked of
a full rebuild. Needs FAQ_SHARED_DATA.

Writes benchmarks/results/increments.json and .md, in which sizes that do not run keep their figures.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.encoding.bundle import Bundle
from app.index.protocol import Index
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.releases.increments import update
from app.releases.opened import OpenBundle
from app.releases.publishing import publish_opened
from app.settings import Settings
from benchmarks.imports import made, memory_of
from benchmarks.increment_answers import Figures, agreement, searching
from benchmarks.places import RESULTS
from tests import bundles

EDITS, SEARCHED = 20, 200
DIMENSION = 384
ROWS = {
    "build_s": "first build, s",
    "unchanged_s": "rebuild of unchanged entries, s",
    "unchanged_cpu_s": "of it CPU",
    "update_p50_s": "update after one edit, median s",
    "update_max_s": "update after one edit, slowest s",
    "update_cpu_s": "of it CPU, median s",
    "open_p50_ms": "service opens the increment, median ms",
    "switch_mb": "memory of the service that 20 switches add, MB",
    "search_base_ms": "search of the publish, median ms",
    "search_ms": "search at the last increment, median ms",
    "ratio": "ratio of the two",
}


def main() -> None:
    """Each size in a process of its own, so that memory is its own; then the agreement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--entries", default="10000,100000")
    parser.add_argument("--edits", type=int, default=EDITS)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(json.dumps(in_home(options.one, options.edits)) + "\n")
        return
    results = RESULTS / "increments.json"
    report: Figures = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {"sizes": {}}
    for size in filter(None, options.entries.split(",")):
        code = [sys.executable, "-m", "benchmarks.increments", "--edits", str(options.edits), "--one", size]
        report["sizes"][size] = json.loads(subprocess.run(code, check=True, stdout=subprocess.PIPE).stdout)
    if options.bundle:
        with tempfile.TemporaryDirectory() as scratch:
            report["agreement"] = asyncio.run(agreement(Path(scratch), Bundle.load(options.bundle)))
    results.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "increments.md").write_text(page(report), encoding="utf-8")


def in_home(size: int, edits: int) -> Figures:
    """The costs for a release of so many entries."""
    bundles.DIMENSION = DIMENSION
    with tempfile.TemporaryDirectory() as scratch:
        return asyncio.run(costs(Path(scratch), size, edits))


async def costs(folder: Path, size: int, edits: int) -> Figures:
    """Build, rebuild, edit, and search before and after the edits."""
    settings = Settings(home=folder / "home")
    store = Store.open(settings.sqlalchemy_url)
    store.import_entries(made(size), "replace")
    writer, service = Catalog(settings), Catalog(settings)
    bundle = bundles.make(folder / "bundle")
    with OpenBundle(bundle.install(writer.models), writer.vectors) as opened:
        builds, builds_cpu = [], []
        for _ in range(2):
            began, began_cpu = time.perf_counter(), time.process_time()
            base = await publish_opened(writer, opened, store.published())
            builds.append(time.perf_counter() - began)
            builds_cpu.append(time.process_time() - began_cpu)
        vectors = opened.encoder.encode_queries([f"Where is setting {i * 37 % size}?" for i in range(SEARCHED)])
        publish = await service.indexes.open(base)
        await searching([publish], vectors)
        last, figures = await editing(writer, service, store, opened, base, edits)
    of_base, of_last = await searching([publish, last], vectors)
    for part in (publish, last, writer, service):
        await part.close()
    store.close()
    return figures | {
        "build_s": round(builds[0], 1),
        "unchanged_s": round(builds[1], 2),
        "unchanged_cpu_s": round(builds_cpu[1], 2),
        "search_base_ms": round(of_base, 3),
        "search_ms": round(of_last, 3),
        "ratio": round(of_last / of_base, 2),
    }


async def editing(
    writer: Catalog, service: Catalog, store: Store, opened: OpenBundle, base: str, edits: int
) -> tuple[Index, Figures]:
    """The index of the last increment, open in the service, and what edits and switches cost. The writer keeps the
    active release open, as the warm worker does."""
    held, present = await writer.indexes.open(base), await service.indexes.open(base)
    updates, cpu, opens = [], [], []
    added = 0
    for number in range(edits):
        entry = store.get(f"e{number * 7}").model_copy(update={"answer": f"Edition {number}."})
        store.import_entries([entry], "append")
        began, began_cpu = time.perf_counter(), time.process_time()
        name = await update(writer, store, opened)
        updates.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
        held, before = await writer.indexes.open(name), held
        await before.close()
        began, memory = time.perf_counter(), own_memory()
        newer = await service.indexes.open(name)
        opens.append(1000 * (time.perf_counter() - began))
        await present.close()
        present = newer
        added += own_memory() - memory
    await held.close()
    return present, {
        "update_p50_s": round(statistics.median(updates), 3),
        "update_max_s": round(max(updates), 3),
        "update_cpu_s": round(statistics.median(cpu), 3),
        "open_p50_ms": round(statistics.median(opens), 1),
        "switch_mb": added,
    }


def own_memory() -> int:
    """The memory of this process that is not mapped from files, swapped out or not, in MB."""
    return sum(memory_of(os.getpid(), name) for name in ("RssAnon", "VmSwap"))


def page(report: Figures) -> str:
    """The report as Markdown."""
    sizes = report["sizes"]
    lines = [
        "# Increments",
        "",
        "| | " + " | ".join(f"{int(size):,} entries" for size in sizes) + " |",
        "|---|" + "---|" * len(sizes),
        *(f"| {text} | " + " | ".join(str(sizes[size][row]) for size in sizes) + " |" for row, text in ROWS.items()),
    ]
    if agreed := report.get("agreement"):
        lines += [
            "",
            f"Agreement: {agreed['entries']:,} entries of the cloud FAQ, {agreed['changed']} changed in "
            f"{agreed['increments']} increments. A full rebuild gives the same first entry to "
            f"{agreed['same_first_entry']:.1%} of {agreed['questions']:,} questions. A search takes "
            f"{agreed['increments_ms']} ms with increments, {agreed['rebuilt_ms']} ms after the rebuild.",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
