"""Whether increments answer as a full rebuild does, on the cloud FAQ; `benchmarks.increments` runs it."""

import json
import math
import random
import statistics
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
from benchmarks.places import CLOUD_FAQ

ASKED, CHANGED, STEPS = 1_000, 0.05, 20
SEARCHED = 200
Figures = dict[str, Any]


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
    rows = map(json.loads, CLOUD_FAQ.read_text(encoding="utf-8").splitlines())
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
    return [ranked.take([0]).ids()[0] for ranked in await answerer.rank(questions, 20, {})]


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
