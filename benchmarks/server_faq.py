"""The entries and questions of `benchmarks.server`: a FAQ's own, and noisy copies of them for any size."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.index.candidates import Candidate
from app.index.protocol import Calibration, IndexRecord
from app.releases.catalog import Catalog
from app.settings import Settings

BATCH = 64
NOISE = 0.6  # length of what is added to a vector of length 1
OPENINGS = ("Please tell me: ", "Hello, ", "One question: ", "I would like to know: ")


class Faq(NamedTuple):
    """A FAQ as the base model's release holds it."""

    bundle: Bundle
    record: IndexRecord
    calibration: Calibration | None
    entries: list[Candidate]

    def described(self, name: str, entries: int) -> IndexRecord:
        """The record of a release of so many entries."""
        return self.record.model_copy(update={"name": name, "entries": entries})

    def batches(self, entries: int) -> Iterator[list[Candidate]]:
        """The FAQ's entries and then copies of them with noise, as many as wanted."""
        made = self._made(entries)
        while batch := list(islice(made, BATCH)):
            yield batch

    def questions(self, count: int) -> list[str]:
        """The FAQ's own phrasings, each after an opening, so that none stands in the FAQ word for word."""
        phrasings = [entry.payload["phrasings"][0] for entry in self.entries if entry.payload["phrasings"]]
        chosen = np.random.default_rng(0).permutation(len(phrasings) * len(OPENINGS))[:count].tolist()
        return [OPENINGS[place // len(phrasings)] + phrasings[place % len(phrasings)] for place in chosen]

    def _made(self, count: int) -> Iterator[Candidate]:
        generator = np.random.default_rng(0)
        for number, entry in enumerate(islice(cycle(self.entries), count)):
            if number < len(self.entries):
                yield entry
                continue
            name = f"copy{number}"
            phrasings = [f"{text} ({name})" for text in entry.payload["phrasings"]]
            payload = {**entry.payload, "id": name, "phrasings": phrasings}
            answer, questions = _noisy(entry.answer, generator), _noisy(entry.questions, generator)
            yield Candidate(name, payload, answer, questions, entry.negatives, digest=name)


def published(data: Path, work: Path) -> Faq:
    """The release of a FAQ file with the base model, made in `work` unless it is there."""
    settings = Settings(home=work / "home", port=0)
    if not (settings.home / "index" / "active.json").exists():
        for arguments in (["import", str(data), "--mode", "replace"], ["reindex", "--base"]):
            environment = {**os.environ, **settings.environment()}
            subprocess.run([sys.executable, "-m", "app", *arguments], env=environment, check=True)
    return asyncio.run(_read(settings))


async def _read(settings: Settings) -> Faq:
    catalog = Catalog(settings)
    name = await catalog.active()
    assert name
    index = await catalog.indexes.open(name)
    entries = [_copied(entry) for entry in await index.sample(index.record.entries)]
    faq = Faq(catalog.bundle_of(name), index.record, index.calibration, entries)
    await index.close()
    await catalog.close()
    return faq


def _copied(entry: Candidate) -> Candidate:
    """Without the mapped file of its vectors."""
    return entry._replace(
        answer=entry.answer.copy(), questions=entry.questions.copy(), negatives=entry.negatives.copy()
    )


def _noisy(rows: Vectors, generator: np.random.Generator) -> Vectors:
    if not len(rows):
        return rows
    moved = rows + NOISE / rows.shape[1] ** 0.5 * generator.standard_normal(rows.shape, dtype=np.float32)
    unit: Vectors = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit
