"""Faqtual's encoder and its index with nothing around them. For benchmarks.serving.

python -m benchmarks.serving.encoder FAQ_HOME QUESTIONS.txt --skip N
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from app.encoding.batching import BATCH
from app.encoding.encoder import Encoder
from app.index.candidates import Question
from app.index.protocol import Index
from app.releases.catalog import Catalog
from app.settings import Settings

SECONDS = 2.0
SEARCHED = 4  # questions that are searched together


def main() -> None:
    """Measure, print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("home", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--skip", type=int, default=0)
    options = parser.parse_args()
    questions = options.questions.read_text(encoding="utf-8").splitlines()
    asked = questions[options.skip :] + questions[: options.skip]
    sys.stdout.write(json.dumps(asyncio.run(measured(Settings(home=options.home), asked))) + "\n")


async def measured(settings: Settings, questions: list[str]) -> dict[str, float]:
    """The time and CPU time of a question, in one thread: the encoder alone and in batches, the index alone."""
    catalog = Catalog(settings)
    name = await catalog.active()
    assert name is not None
    encoder, index = Encoder(catalog.bundle_of(name), threads=1), await catalog.indexes.open(name)
    encoder.encode_queries(questions[-BATCH:])  # the first run allocates
    alone, batch = (repeated(lambda texts: encoder.encode_queries(texts), questions, size) for size in (1, BATCH))
    vectors = encoder.encode_queries(questions[:1000])
    searched = await searched_ms(index, [Question(*pair) for pair in zip(questions, vectors, strict=False)])
    await index.close()
    await catalog.close()
    return {
        "encoder_p50_ms": alone[0],
        "encoder_cpu_ms": alone[1],
        "encoder_in_batches_cpu_ms": batch[1],
        "search_cpu_ms": searched,
    }


def repeated(work: Callable[[Sequence[str]], object], questions: Sequence[str], size: int) -> tuple[float, float]:
    """Of encoding so many questions at a time: the median time of one call, and the mean CPU time a question, in ms."""
    times, start, cpu, until = [], 0, time.thread_time(), time.perf_counter() + SECONDS
    while (began := time.perf_counter()) < until:
        work(questions[start : start + size])
        times.append(time.perf_counter() - began)
        start = (start + size) % len(questions)
    return float(np.median(times)) * 1000, (time.thread_time() - cpu) * 1000 / (size * len(times))


async def searched_ms(index: Index, asked: Sequence[Question]) -> float:
    """The mean CPU time of one search, in ms."""
    searched, cpu, until = 0, time.process_time(), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        together = (asked[(searched + i) % len(asked)] for i in range(SEARCHED))
        await asyncio.gather(*(index.search(question, 20, {}) for question in together))
        searched += SEARCHED
    return (time.process_time() - cpu) * 1000 / searched


if __name__ == "__main__":
    main()
