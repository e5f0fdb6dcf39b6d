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
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.answering import Answerer
from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.index.protocol import Index
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.releases.increments import update
from app.releases.opened import OpenBundle
from app.releases.publishing import publish_opened
from app.settings import Settings
from benchmarks.cloud_faq import DATA, RESULTS
from benchmarks.imports import made, memory_of
from tests import bundles

ASKED, CHANGED, STEPS = 1_000, 0.05, 20
SEARCHED = 200
DIMENSION = 384
ROWS = {
    "build_s": "first build, s",
    "unchanged_s": "rebuild of unchanged entries, s",
    "update_p50_s": "update after one edit, median s",
    "update_max_s": "update after one edit, slowest s",
    "open_p50_ms": "service opens the increment, median ms",
    "switch_mb": "memory of the service that 20 switches add, MB",
    "search_base_ms": "search of the publish, median ms",
    "search_ms": "search at the last increment, median ms",
    "ratio": "ratio of the two",
}
Figures = dict[str, Any]


def main() -> None:
    """Each size in a process of its own, so that memory is its own; then the agreement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--entries", default="10000,100000")
    parser.add_argument("--edits", type=int, default=STEPS)
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
        start = time.perf_counter()
        base = await publish_opened(writer, opened, store.published())
        built = time.perf_counter()
        await publish_opened(writer, opened, store.published())
        rebuilt = time.perf_counter()
        publish, present = await service.indexes.open(base), await service.indexes.open(base)
        vectors = opened.encoder.encode_queries([f"Where is setting {i * 37 % size}?" for i in range(SEARCHED)])
        await searching([present], vectors)
        added, updates, opens = 0, [], []
        for number in range(edits):
            entry = store.get(f"e{number * 7 % size}").model_copy(update={"answer": f"Edition {number}."})
            store.import_entries([entry], "append")
            began = time.perf_counter()
            name = await update(writer, store, opened)
            updates.append(time.perf_counter() - began)
            began, memory = time.perf_counter(), memory_of(os.getpid())
            newer = await service.indexes.open(name)
            opens.append(1000 * (time.perf_counter() - began))
            await present.close()
            present = newer
            added += memory_of(os.getpid()) - memory
        of_base, of_last = await searching([publish, present], vectors)
        await publish.close()
        await present.close()
    await writer.close()
    store.close()
    return {
        "build_s": round(built - start, 1),
        "unchanged_s": round(rebuilt - built, 2),
        "update_p50_s": round(statistics.median(updates), 3),
        "update_max_s": round(max(updates), 3),
        "open_p50_ms": round(statistics.median(opens), 1),
        "switch_mb": added,
        "search_base_ms": round(of_base, 3),
        "search_ms": round(of_last, 3),
        "ratio": round(of_last / of_base, 2),
    }


async def searching(indexes: Sequence[Index], vectors: Vectors) -> list[float]:
    """The median milliseconds of a search of each index; each question is asked of one after the other."""
    times: list[list[float]] = [[] for _ in indexes]
    for number, vector in enumerate(vectors):
        for index, of_index in zip(indexes, times, strict=True):
            question = index.record.question(f"Where is setting {number}?", vector)
            start = time.perf_counter()
            await index.search(question, 20, {})
            of_index.append(1000 * (time.perf_counter() - start))
    return [statistics.median(of_index) for of_index in times]


async def agreement(folder: Path, bundle: Bundle) -> Figures:
    """How often increments and a full rebuild give the same first entry, and what a search takes in either."""
    entries = cloud_entries()
    random.Random(0).shuffle(entries)
    asked, spare, held = entries[:ASKED], entries[ASKED : ASKED + 200], entries[ASKED + 200 :]
    questions = [entry.question for entry in asked]
    settings = Settings(home=folder / "home")
    store = Store.open(settings.sqlalchemy_url)
    store.import_entries(held, "replace")
    catalog = Catalog(settings)
    with OpenBundle(bundle.install(catalog.models), catalog.vectors) as opened:
        await publish_opened(catalog, opened, store.published())
        changed = 0
        for step in range(STEPS):
            changed += change(store, held, spare, step)
            name = await update(catalog, store, opened)
        extended = await catalog.open(name)
        rebuilt = await catalog.open(await publish_opened(catalog, opened, store.published()))
        by_increments, by_rebuild = await first_entries(extended, questions), await first_entries(rebuilt, questions)
        vectors = await extended.encode(questions[:SEARCHED])
        rebuilt_ms, increments_ms = await searching([rebuilt.index, extended.index], vectors)
    number = extended.index.record.increment
    for part in (extended, rebuilt, catalog):
        await part.close()
    store.close()
    same = sum(a == b for a, b in zip(by_increments, by_rebuild, strict=True))
    return {
        "entries": len(held),
        "changed": changed,
        "increments": number,
        "questions": len(questions),
        "same_first_entry": same / len(questions),
        "increments_ms": round(increments_ms, 3),
        "rebuilt_ms": round(rebuilt_ms, 3),
    }


def cloud_entries() -> list[Entry]:
    """The cloud FAQ, an entry a line."""
    rows = map(json.loads, DATA.read_text(encoding="utf-8").splitlines())
    made = (Entry(question=row["question"], answer=row["answer"], metadata={"source": row["source"]}) for row in rows)
    return list({entry.id: entry for entry in made}.values())


def change(store: Store, held: Sequence[Entry], spare: Sequence[Entry], step: int) -> int:
    """One step of the changes: edit, remove and add as many entries each. Returns how many."""
    of_each = math.ceil(CHANGED * len(held) / 3 / STEPS)
    start = step * of_each
    new = spare[start : start + of_each]
    edited = [
        entry.model_copy(update={"answer": f"{entry.answer} See also: {other.answer}"})
        for entry, other in zip(held[2 * start : 2 * start + of_each], new, strict=True)
    ]
    store.import_entries([*edited, *new], "append")
    removed = held[2 * start + of_each : 2 * (start + of_each)]
    for entry in removed:
        store.delete(entry.id)
    return len(edited) + len(new) + len(removed)


async def first_entries(answerer: Answerer, questions: Sequence[str]) -> list[str]:
    """The id of the first entry for each question."""
    return [ranked[0].candidate.id for ranked in await answerer.rank(questions, 20, {})]


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
    if found := report.get("agreement"):
        lines += [
            "",
            f"Agreement: {found['entries']:,} entries of the cloud FAQ, {found['changed']} changed in "
            f"{found['increments']} increments. A full rebuild gives the same first entry to "
            f"{found['same_first_entry']:.1%} of {found['questions']:,} questions. A search takes "
            f"{found['increments_ms']} ms with increments, {found['rebuilt_ms']} ms after the rebuild.",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
