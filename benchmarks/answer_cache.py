"""Fills the cache of replies and measures the memory that it takes.

    python -m benchmarks.answer_cache [--mb N] [--questions N]

Entries with 20 phrasings, vectors of 384 dimensions, questions with `top_k` 50 that are never abstained from; every
question differs from the others. The index decodes every entry anew for each question, as the client of a Qdrant server
does, so that no two replies share a text. Writes benchmarks/results/answer_cache.json.
"""

import argparse
import asyncio
import gc
import json
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.answering import Answerer
from app.index.candidates import Candidate, Question
from app.index.filters import Filter
from app.index.hits import Hits
from app.index.protocol import Calibration, Index, IndexRecord
from benchmarks.places import RESULTS
from tests import bundles

DIMENSION, ENTRIES, PHRASINGS, TOP_K = 384, 100, 20, 50
MB = 2**20


class Decoding:
    """An index that gives the same entries for every question, each time as new objects."""

    calibration: Calibration | None = None
    search_now = None

    def __init__(self) -> None:
        self.record = IndexRecord(
            name="faq-000000000000-000000000000",
            bundle="000000000000",
            knowledge="000000000000",
            entries=ENTRIES,
            dimension=DIMENSION,
            created_at="2026-01-01T00:00:00Z",
        )
        vectors = np.random.default_rng(0).standard_normal((PHRASINGS, DIMENSION)).astype(np.float32)
        self._vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self._payloads = [json.dumps(_payload(number)) for number in range(ENTRIES)]

    async def search(self, question: Question, limit: int, where: Filter) -> Hits:
        """`limit` entries, decoded."""
        return Hits.of([self._candidate(number) for number in range(limit)], question.vector, np.zeros(limit), {})

    async def verified(self) -> None:
        """It has no files."""

    def _candidate(self, number: int) -> Candidate:
        none = np.empty((0, DIMENSION), dtype=np.float32)
        vectors = self._vectors
        return Candidate(f"e{number}", json.loads(self._payloads[number]), vectors[:1].copy(), vectors.copy(), none)

    async def count(self) -> int:
        """How many entries there are."""
        return ENTRIES

    async def entries(self, ids: Collection[str]) -> list[Candidate]:
        """None by their ids."""
        return []

    async def digests(self) -> dict[str, str] | None:
        """None are known."""
        return None

    async def preview(self, entries: Sequence[Candidate], removed: Collection[str] = ()) -> Index:
        """The same."""
        return self

    async def sample(self, limit: int) -> list[Candidate]:
        """`limit` entries."""
        return [self._candidate(number) for number in range(limit)]

    async def holds(self, entry_id: str) -> bool:
        """None by its id."""
        return False

    async def close(self) -> None:
        """Nothing to release."""


def _payload(number: int) -> dict[str, Any]:
    phrasings = [f"In which other way, number {i}, may one ask for the thing {number}?" for i in range(PHRASINGS)]
    answer = f"The thing {number} is asked for by its number, and given to whoever has asked for it. " * 4
    metadata = {"category": f"things {number % 7}", "url": f"https://example.com/things/{number}"}
    return {
        "id": f"e{number}",
        "question": phrasings[0],
        "phrasings": phrasings,
        "negatives": [],
        "answer": answer,
        "metadata": metadata,
    }


def resident() -> int:
    """Resident memory of this process, in bytes."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


async def fill(answerer: Answerer, questions: int) -> float:
    """MB of resident memory that so many different questions add, after ten that warm everything up."""
    await answerer.ask([f"a warm question {number}" for number in range(10)], TOP_K, 0.0)
    before = resident()
    for number in range(questions):
        await answerer.ask([f"What is the question of number {number}?"], TOP_K, 0.0)
    taken = resident() - before
    await answerer.close()
    return round(taken / MB, 1)


def main() -> None:
    """Fill, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=32, help="the bound, FAQ_ANSWER_CACHE_MB")
    parser.add_argument("--questions", type=int, default=2000)
    options = parser.parse_args()
    bundles.DIMENSION = DIMENSION
    with tempfile.TemporaryDirectory() as work:
        bundle = bundles.make(Path(work) / "bundle")
        answerer = Answerer(bundle, Decoding(), threads=1, cache_bytes=options.mb * MB)
        taken = asyncio.run(fill(answerer, options.questions))
    report = {"bound MB": options.mb, "questions": options.questions, "top_k": TOP_K, "resident MB added": taken}
    (RESULTS / "answer_cache.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
