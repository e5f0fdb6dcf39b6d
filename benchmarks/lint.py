"""The lint of a large FAQ: seconds and peak memory of the command, and milliseconds of the warnings on write.

    python -m benchmarks.lint --bundle DIR [--entries 10000,100000]

Questions come from `quora_train.jsonl` and answers from `squad_passages.jsonl` of the shared data: one question, two
alternatives and an answer an entry. The vectors are drawn, around one topic for twenty texts, and put into the cache
that a reindex fills: what is measured is the lint after an edit, and not the encoder. Saving is measured beside a
release of PUBLISHED entries with real vectors. Writes benchmarks/results/lint.json and .md, in which sizes that do not
run keep their figures.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from fastapi.testclient import TestClient

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.http.security import digest_of
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.main import create_app
from app.releases.vector_cache import CachedEncoder
from app.settings import Settings
from benchmarks.places import RESULTS, SHARED

KEY = "key-of-the-benchmark"
WRITES = 60
PUBLISHED = 500  # entries of the release beside which writes are measured
TOPIC, NOISE = 20, 0.6  # texts of a topic, and the noise on its vector, whose cosine within a topic is then .73


def main() -> None:
    """Every size, then the writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--entries", default="10000")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return _measured(options.one)
    results = RESULTS / "lint.json"
    report: dict[str, dict[str, Any]] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    for size in map(int, options.entries.split(",")):
        with tempfile.TemporaryDirectory() as scratch:
            report[str(size)] = of_size(size, Path(scratch), options.bundle)
            print(size, report[str(size)], file=sys.stderr)
    results.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "lint.md").write_text(page(report), encoding="utf-8")
    print(page(report))
    return None


def of_size(size: int, home: Path, bundle: Path) -> dict[str, Any]:
    """The figures of a FAQ of `size` entries."""
    settings = Settings(home=home, admin_keys=(digest_of(KEY),))
    store = Store.open(settings.sqlalchemy_url)
    store.import_entries(islice(made(), PUBLISHED), "replace")
    environment = {**os.environ, **settings.environment()}
    reindex = [sys.executable, "-m", "app", "reindex", "--bundle", str(bundle)]
    subprocess.run(reindex, env=environment, check=True, stdout=subprocess.DEVNULL)
    figures: dict[str, Any] = {"write_ms": writes(settings)}
    store.import_entries(islice(made(), size), "replace")
    store.close()
    fill_cache(size, home, Bundle.load(bundle))
    command = [sys.executable, "-m", "benchmarks.lint", "--bundle", str(bundle), "--one", str(home)]
    written = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return {**figures, **json.loads(written)}


class Drawn:
    """In place of an encoder: a vector for each text, TOPIC of them around one."""

    def __init__(self, bundle: Bundle) -> None:
        self.encoding = bundle.manifest.encoding
        self._random = np.random.default_rng(0)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32."""
        topics = self._random.standard_normal((len(texts) // TOPIC + 1, self.encoding.dimension), dtype=np.float32)
        noise = self._random.standard_normal((len(texts), self.encoding.dimension), dtype=np.float32)
        vectors = topics[self._random.integers(0, len(topics), len(texts))] + NOISE * noise
        normalised: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return normalised

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (1, dimension) float32."""
        return list(self.encode_queries(texts)[:, None, :])


def fill_cache(size: int, home: Path, bundle: Bundle) -> None:
    """Put drawn vectors of all texts into the cache of the bundle."""
    with CachedEncoder(cast(Encoder, Drawn(bundle)), home / "vectors" / f"{bundle.revision}.db") as cache:
        entries = made()
        for _ in range(0, size, 10_000):
            block = list(islice(entries, 10_000))
            cache.encode_queries([text for entry in block for text in entry.phrasings])
            cache.encode_documents([entry.answer for entry in block])


def made() -> Iterator[Entry]:
    """Entries without end."""
    with (SHARED / "quora_train.jsonl").open(encoding="utf-8") as file:
        questions = [json.loads(line)["text"] for line in file]
    with (SHARED / "squad_passages.jsonl").open(encoding="utf-8") as file:
        passages = [json.loads(line) for line in file]
    answers = cycle(str(passage.get("answer") or passage["text"]) for passage in passages)
    for number, answer in enumerate(answers):
        texts = [questions[(3 * number + i) % len(questions)] for i in range(3)]
        repeats = 3 * number // len(questions)  # a number makes a repeated question another one
        texts = [f"{text} ({repeats})" if repeats else text for text in texts]
        yield Entry(
            id=f"e{number}", question=texts[0], alternatives=tuple(texts[1:]), answer=f"{answer[:600]} {number}"
        )


def _measured(home: Path) -> None:
    """One run of the command, in this process: its seconds, peak memory and counts on the standard output."""
    from app.cli.lint import lint_home

    start = time.monotonic()
    report = lint_home(Settings.read())
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak, cpu = used.ru_maxrss / 1024, used.ru_utime + used.ru_stime
    figures = {
        "s": round(time.monotonic() - start, 2),
        "cpu_s": round(cpu, 2),
        "peak_mb": round(peak),
        "counts": report.counts,
    }
    sys.stdout.write(json.dumps(figures))


def writes(settings: Settings) -> dict[str, float]:
    """Milliseconds of a POST, the median: of an archived entry, which is not checked, and of a live one."""
    times: dict[str, list[float]] = {"archived": [], "live": []}
    with TestClient(create_app(settings)) as client:
        for number, entry in enumerate(islice(made(), PUBLISHED, PUBLISHED + WRITES)):
            state = ("archived", "live")[number % 2]
            body = entry.model_dump(mode="json", include={"question", "answer", "alternatives"})
            start = time.perf_counter()
            reply = client.post("/v1/admin/entries", json=body | {"state": state}, headers={"X-API-Key": KEY})
            times[state].append(1000 * (time.perf_counter() - start))
            reply.raise_for_status()
    return {state: round(statistics.median(each), 1) for state, each in times.items()}


def page(report: dict[str, dict[str, Any]]) -> str:
    """The figures as a table."""
    lines = [
        "# The lint of a large FAQ",
        "",
        "Four texts an entry, whose vectors are in the cache. A write is the median of a POST: of an archived entry,",
        "which is not checked, and of a live one with three questions, compared with a release of 500 entries.",
        "",
        "| entries | s | s of CPU | peak, MB | findings | write, archived / live, ms |",
        "|---|---|---|---|---|---|",
    ]
    for size, figures in report.items():
        write, findings = figures["write_ms"], sum(figures["counts"].values())
        row = f"| {int(size):,} | {figures['s']} | {figures.get('cpu_s', '')} | {figures['peak_mb']} | {findings:,} "
        lines.append(f"{row}| {write['archived']} / {write['live']} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
