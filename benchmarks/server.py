"""Questions answered by a Qdrant server beside the embedded index: latency, throughput, client CPU, agreement.

    QDRANT_URL=http://… python -m benchmarks.server [--data FILE] [--entries 6373] [--large 100000] [--questions 1000]

embedded        the embedded index
local copy      a copy of the server's release, as FAQ_LOCAL_VECTORS makes it
ids by gRPC     FAQ_LOCAL_VECTORS=0: ids from the server, rows from a cache that holds them
ids by REST     the same with FAQ_QDRANT_GRPC_PORT=0

A question is encoded with the base model, searched, ranked and decided; no reply is cached. The FAQ is --data, with
noisy copies of its entries where it has fewer than wanted; questions are its own phrasings with openings before them.
The modes take turns, and each figure is the median of the rounds. *same first*: the share of questions whose best entry
is the embedded index's; *confidence*: of these, the largest difference of its confidence. At --large entries only gRPC
is measured. The server's port for gRPC is QDRANT_GRPC_PORT (6334). Everything is in a namespace of its own, which is
removed at the end.

Writes benchmarks/results/server.json and .md. Without QDRANT_URL it runs on the tests' stand-in, with fewer entries and
questions, prints only, and no target is binding: the stand-in compares vectors in Python.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.answering import TOP_K, Answerer
from app.index.embedded import EmbeddedStore
from app.index.local_copies import LocalCopies
from app.index.nodes import GRPC_PORT
from app.index.protocol import Index
from app.index.row_cache import RowCache
from app.index.server import ServerStore
from benchmarks.cloud_faq import DATA, RESULTS
from benchmarks.server_faq import Faq, published
from tests.faults.qdrant_grpc import grpc_stand_in

NAME, LARGE = "faq-0123456789ab-0123456789ab", "faq-0123456789ab-ba9876543210"
SAMPLE = Path(__file__).parents[1] / "data" / "faq.jsonl"
EMBEDDED, COPY, GRPC, REST = "embedded", "local copy", "ids by gRPC", "ids by REST"
CLIENTS, ROUNDS = 8, 3
CACHE = 2 * 2**30  # bytes, so that every row fits
Figures = dict[str, float]
First = tuple[str | None, float]  # the best entry of a question and its confidence


class Server(NamedTuple):
    """Where the server is, and whether it is a real one."""

    url: str
    grpc_port: int
    real: bool


async def firsts(answerer: Answerer, questions: Sequence[str]) -> list[First]:
    """The best entry for each question."""
    ranked = [ranking for question in questions for ranking in await answerer.rank([question], 20, {})]
    return [(best[0].candidate.id, best[0].confidence) if best else (None, 0.0) for best in ranked]


async def measured(answerer: Answerer, questions: Sequence[str]) -> Figures:
    """Every question by one client, then all by several at a time."""
    times, cpu = [], time.process_time()
    for question in questions:
        start = time.perf_counter()
        await answerer.ask([question], TOP_K)
        times.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    waiting = iter(questions)

    async def client() -> None:
        for question in waiting:
            await answerer.ask([question], TOP_K)

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    rate = len(questions) / (time.perf_counter() - start)
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return {"p50_ms": p50, "p99_ms": p99, "per_s": rate, "cpu_ms": cpu * 1000 / len(questions)}


async def in_turns(answerers: Mapping[str, Answerer], questions: Sequence[str]) -> dict[str, Figures]:
    """The medians of each mode, after every question was asked once, and its agreement with the first mode."""
    answers = {mode: await firsts(answerer, questions) for mode, answerer in answerers.items()}
    rounds: dict[str, list[Figures]] = {mode: [] for mode in answerers}
    for number in range(ROUNDS):
        for mode, answerer in answerers.items():
            rounds[mode].append(await measured(answerer, questions[number::ROUNDS]))
    expected = next(iter(answers.values()))
    return {
        mode: {name: float(np.median([figures[name] for figures in held])) for name in held[0]}
        | agreement(answers[mode], expected)
        for mode, held in rounds.items()
    }


def agreement(answers: Sequence[First], expected: Sequence[First]) -> Figures:
    """The share of questions with the same best entry, and the largest difference of its confidence."""
    same = [(left, right) for left, right in zip(answers, expected, strict=True) if left[0] == right[0]]
    return {
        "same_first": len(same) / len(expected),
        "confidence": max((abs(left[1] - right[1]) for left, right in same), default=0.0),
    }


async def compared(faq: Faq, server: Server, options: argparse.Namespace) -> dict[str, Figures]:
    """The figures of each mode, and those of gRPC at the large size."""
    namespace = f"test-{secrets.token_hex(4)}"
    stores = {
        mode: ServerStore.connect(server.url, namespace=namespace, grpc_port=port, cache=RowCache(CACHE))
        for mode, port in ((GRPC, server.grpc_port), (REST, 0))
    }
    questions = faq.questions(options.questions)
    try:
        with tempfile.TemporaryDirectory() as directory:
            report = await small(faq, stores, Path(directory), questions, options.entries)
        if options.large:
            report[f"{GRPC}, {options.large:,} entries"] = await large(faq, stores[GRPC], questions, options.large)
    finally:
        for name in (NAME, LARGE):
            await stores[REST].drop(name)
        await stores[REST].sweep()
        for store in stores.values():
            await store.close()
    return report


async def small(
    faq: Faq, stores: Mapping[str, ServerStore], directory: Path, questions: Sequence[str], count: int
) -> dict[str, Figures]:
    """All modes, on one release."""
    embedded = EmbeddedStore(directory / "index")
    for store in (embedded, stores[GRPC]):
        await store.build(faq.described(NAME, count), faq.batches(count))
        await store.calibrate(NAME, faq.calibration or {})
    copies = LocalCopies(stores[REST], directory / "copies", limit=10**9)
    indexes: dict[str, Index] = {EMBEDDED: await embedded.open(NAME), COPY: await copies.open(NAME)}
    indexes |= {mode: await store.open(NAME) for mode, store in stores.items()}
    first = Answerer(faq.bundle, indexes[EMBEDDED], cache_bytes=0)
    report = await in_turns({mode: first.over(index) for mode, index in indexes.items()}, questions)
    await first.close()
    await indexes[COPY].close()
    copies.close()
    return report


async def large(faq: Faq, store: ServerStore, questions: Sequence[str], count: int) -> Figures:
    """One mode on a large release."""
    await store.build(faq.described(LARGE, count), faq.batches(count))
    await store.calibrate(LARGE, faq.calibration or {})
    answerer = Answerer(faq.bundle, await store.open(LARGE), cache_bytes=0)
    (figures,) = (await in_turns({GRPC: answerer.over(answerer.index)}, questions)).values()
    await answerer.close()
    return figures


def targets(report: Mapping[str, Figures]) -> list[tuple[str, float, str, float]]:
    """What was to be reached: words, figure, sign and bound."""
    base, copy, ids = report[EMBEDDED], report[COPY], report[GRPC]
    rows = [
        ("local copy: throughput, of embedded", copy["per_s"] / base["per_s"], ">=", 0.95),
        ("local copy: p50 above embedded, ms", copy["p50_ms"] - base["p50_ms"], "<=", 0.3),
        ("ids by gRPC: throughput, of embedded", ids["per_s"] / base["per_s"], ">=", 0.55),
        ("ids by gRPC: p50 above embedded, ms", ids["p50_ms"] - base["p50_ms"], "<=", 3.0),
        ("same first entry, least of all", min(held["same_first"] for held in report.values()), ">=", 0.995),
        ("difference of confidence, most of all", max(held["confidence"] for held in report.values()), "<=", 0.01),
    ]
    rows += [
        (f"{mode}: p50, of {GRPC}", held["p50_ms"] / ids["p50_ms"], "<=", 1.5)
        for mode, held in report.items()
        if mode not in (EMBEDDED, COPY, GRPC, REST)
    ]
    return rows


def page(report: Mapping[str, Figures], real: bool) -> str:
    """The tables, in Markdown."""
    columns = {"p50_ms": "p50, ms", "p99_ms": "p99, ms", "per_s": f"a second, {CLIENTS} clients"}
    columns |= {"cpu_ms": "client CPU, ms", "same_first": "same first", "confidence": "confidence"}
    lines = ["| mode | " + " | ".join(columns.values()) + " |", "|---" * (len(columns) + 1) + "|"]
    for mode, figures in report.items():
        lines.append(f"| {mode} | " + " | ".join(f"{figures[column]:,.4g}" for column in columns) + " |")
    lines += [
        "",
        f"| target, {'binding' if real else 'not binding (stand-in)'} | measured | bound | |",
        "|---|---|---|---|",
    ]
    for words, figure, sign, bound in targets(report):
        met = figure >= bound if sign == ">=" else figure <= bound
        lines.append(f"| {words} | {figure:.3f} | {sign} {bound:g} | {'met' if met else 'missed'} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write what a real server gave."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    url = os.environ.get("QDRANT_URLS") or os.environ.get("QDRANT_URL")
    parser.add_argument("--data", type=Path, default=DATA if DATA.exists() else SAMPLE)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-server"), help="keeps the encoded FAQ")
    parser.add_argument("--entries", type=int, default=6_373 if url else 300)
    parser.add_argument("--large", type=int, default=100_000 if url else 0, help="0: not measured")
    parser.add_argument("--questions", type=int, default=1_000 if url else 60)
    options = parser.parse_args()
    faq = published(options.data, options.work / options.data.stem)
    with ExitStack() as stack:
        if url:
            server = Server(url, int(os.environ.get("QDRANT_GRPC_PORT", str(GRPC_PORT))), real=True)
        else:
            rest, grpc = stack.enter_context(grpc_stand_in())
            server = Server(f"http://127.0.0.1:{rest}", grpc, real=False)
        report = asyncio.run(compared(faq, server, options))
    text = page(report, server.real)
    sys.stdout.write(text)
    if server.real:
        RESULTS.mkdir(exist_ok=True)
        figures = {"cores": os.cpu_count(), "data": options.data.name, "entries": options.entries, **report}
        (RESULTS / "server.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        (RESULTS / "server.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
