"""Questions answered by a Qdrant server beside the embedded index: latency, throughput, client CPU, agreement.

    QDRANT_URL=http://… python -m benchmarks.server [--data FILE] [--entries 6373] [--large 100000] [--questions 1000]

embedded        the embedded index
local copy      a copy of the server's release, as FAQ_LOCAL_VECTORS makes it
ids by gRPC     FAQ_LOCAL_VECTORS=0: ids from the server, rows from a cache that holds them
ids by REST     the same with FAQ_QDRANT_GRPC_PORT=0

A question is encoded with the base model, searched, ranked and decided; no reply is cached. The FAQ is --data, with
noisy copies of its entries where it has fewer than wanted; questions are its own phrasings with openings before them.
The modes take turns; figures are medians of the rounds, and what is compared is compared within each round. *same
first*: the share of questions whose best entry is the embedded index's; *confidence*: of these, the largest difference
of its confidence. At --large entries only gRPC is measured. The server's port for gRPC is QDRANT_GRPC_PORT (6334).
Everything is in a namespace of its own, which is removed at the end.

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

from app import cores
from app.answering import TOP_K, Answerer
from app.index.embedded import EmbeddedStore
from app.index.local_copies import LocalCopies
from app.index.nodes import GRPC_PORT
from app.index.protocol import Index
from app.index.row_cache import RowCache
from app.index.server import ServerStore
from benchmarks.places import CLOUD_FAQ, RESULTS
from benchmarks.server_faq import Faq, published
from tests.faults.qdrant_grpc import grpc_stand_in

NAME, LARGE = "faq-0123456789ab-0123456789ab", "faq-0123456789ab-ba9876543210"
SAMPLE = Path(__file__).parents[1] / "data" / "faq.jsonl"
EMBEDDED, COPY, GRPC, REST = "embedded", "local copy", "ids by gRPC", "ids by REST"
ROUNDS = 5
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
    return [(best.take([0]).ids()[0], float(best.confidences[0])) if len(best) else (None, 0.0) for best in ranked]


async def measured(answerer: Answerer, questions: Sequence[str], number: int, clients: int) -> Figures:
    """A part of the questions by one client, then all by several at a time."""
    part, times, cpu = questions[number::ROUNDS], [], time.process_time()
    for question in part:
        start = time.perf_counter()
        await answerer.ask([question], TOP_K)
        times.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    waiting = iter(questions)

    async def client() -> None:
        for question in waiting:
            await answerer.ask([question], TOP_K)

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    rate = len(questions) / (time.perf_counter() - start)
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return {"p50_ms": p50, "p99_ms": p99, "per_s": rate, "cpu_ms": cpu * 1000 / len(part)}


async def in_turns(answerers: Mapping[str, Answerer], questions: Sequence[str], clients: int) -> dict[str, Figures]:
    """The medians of each mode, after every question was asked once; compared with the first mode within each round."""
    answers = {mode: await firsts(answerer, questions) for mode, answerer in answerers.items()}
    rounds: list[dict[str, Figures]] = []
    for number in range(ROUNDS):
        first = number % len(answerers)
        order = [*list(answerers)[first:], *list(answerers)[:first]]
        rounds.append({mode: await measured(answerers[mode], questions, number, clients) for mode in order})
    base = next(iter(answerers))
    return {
        mode: {name: float(np.median([held[mode][name] for held in rounds])) for name in rounds[0][mode]}
        | {
            "share": float(np.median([held[mode]["per_s"] / held[base]["per_s"] for held in rounds])),
            "above_ms": float(np.median([held[mode]["p50_ms"] - held[base]["p50_ms"] for held in rounds])),
        }
        | agreement(answers[mode], answers[base])
        for mode in answerers
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
            answerers = await small(faq, stores, Path(directory), options.entries)
            report = await in_turns(answerers, questions, options.clients)
            for answerer in answerers.values():
                await answerer.index.close()
        if options.large:
            answerer = await large(faq, stores[GRPC], answerers[GRPC], options.large)
            (figures,) = (await in_turns({GRPC: answerer}, questions, options.clients)).values()
            report[f"{GRPC}, {options.large:,} entries"] = figures
    finally:
        for name in (NAME, LARGE):
            await stores[REST].drop(name)
        await stores[REST].sweep()
        for store in stores.values():
            await store.close()
    return report


async def small(faq: Faq, stores: Mapping[str, ServerStore], directory: Path, count: int) -> dict[str, Answerer]:
    """Each mode, on one release."""
    embedded = EmbeddedStore(directory / "index")
    for store in (embedded, stores[GRPC]):
        await store.build(faq.described(NAME, count), faq.batches(count))
        await store.calibrate(NAME, faq.calibration or {})
    copies = LocalCopies(stores[REST], directory / "copies", limit=10**9)
    indexes: dict[str, Index] = {EMBEDDED: await embedded.open(NAME), COPY: await copies.open(NAME)}
    indexes |= {mode: await store.open(NAME) for mode, store in stores.items()}
    copies.close()
    first = Answerer(faq.bundle, indexes[EMBEDDED], cache_bytes=0)
    return {mode: first.over(index) for mode, index in indexes.items()}


async def large(faq: Faq, store: ServerStore, like: Answerer, count: int) -> Answerer:
    """One mode on a large release, with the encoder of another answerer."""
    await store.build(faq.described(LARGE, count), faq.batches(count))
    return like.over(await store.open(LARGE))


def targets(report: Mapping[str, Figures]) -> list[tuple[str, float, str, float]]:
    """What was to be reached: words, figure, sign and bound."""
    copy, ids = report[COPY], report[GRPC]
    rows = [
        ("local copy: throughput, of embedded", copy["share"], ">=", 0.95),
        ("local copy: p50 above embedded, ms", copy["above_ms"], "<=", 0.3),
        ("ids by gRPC: throughput, of embedded", ids["share"], ">=", 0.55),
        ("ids by gRPC: p50 above embedded, ms", ids["above_ms"], "<=", 3.0),
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
    columns = {"p50_ms": "p50, ms", "p99_ms": "p99, ms", "per_s": "a second, all clients"}
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
    parser.add_argument("--data", type=Path, default=CLOUD_FAQ if CLOUD_FAQ.exists() else SAMPLE)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-server"), help="keeps the encoded FAQ")
    parser.add_argument("--entries", type=int, default=6_373 if url else 150)
    parser.add_argument("--large", type=int, default=100_000 if url else 0, help="0: not measured")
    parser.add_argument("--clients", type=int, default=8 if url else 2, help="at a time; the stand-in bears two")
    parser.add_argument("--questions", type=int, default=1_000 if url else 40)
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
        figures = {"cores": cores.usable(), "data": options.data.name, "entries": options.entries, **report}
        (RESULTS / "server.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        (RESULTS / "server.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
