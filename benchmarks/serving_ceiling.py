"""Faqtual's parts with nothing around them: the encoder on all cores, and the index. For benchmarks.serving.

python -m benchmarks.serving_ceiling FAQ_HOME QUESTIONS.txt
"""

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path

from app.encoding.batching import BATCH
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.index.candidates import Question
from app.releases.catalog import Catalog
from app.settings import Settings

SECONDS = 4.0


def main() -> None:
    """Measure, print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("home", type=Path)
    parser.add_argument("questions", type=Path)
    options = parser.parse_args()
    questions = options.questions.read_text(encoding="utf-8").splitlines()[::-1]  # not those that were asked first
    sys.stdout.write(json.dumps(asyncio.run(measured(Settings(home=options.home), questions))) + "\n")


async def measured(settings: Settings, questions: list[str]) -> dict[str, float]:
    """Questions a second of each part."""
    catalog = Catalog(settings)
    name = await catalog.active()
    assert name is not None
    bundle, index = catalog.bundle_of(name), await catalog.indexes.open(name)
    vectors = Encoder(bundle, threads=1).encode_queries(questions[:1000])
    asked = [Question(*one) for one in zip(questions, vectors, strict=False)]
    searched, until = 0, time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        await asyncio.gather(*(index.search(asked[(searched + i) % len(asked)], 20, {}) for i in range(4)))
        searched += 4
    await index.close()
    await catalog.close()
    rates = {size: encoded(bundle, questions, size) for size in (1, BATCH)}
    return {
        "encoder_per_s": max(rates.values()),
        **{f"encoder_by_{size}_per_s": rate for size, rate in rates.items()},
        "search_per_s": round(searched / SECONDS),
    }


def encoded(bundle: Bundle, questions: list[str], size: int) -> float:
    """Questions a second, in batches of a size as they come, one thread a core."""
    first = Encoder(bundle, threads=1)
    encoders = [first, *(Encoder(bundle, like=first) for _ in range((os.cpu_count() or 1) - 1))]
    counts, until = [0] * len(encoders), time.perf_counter() + SECONDS

    def work(number: int) -> None:
        start = number * len(questions) // len(encoders)
        while time.perf_counter() < until:
            encoders[number].encode_queries(questions[start : start + size])
            start = (start + size) % len(questions)
            counts[number] += size

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(encoders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return round(sum(counts) / SECONDS)


if __name__ == "__main__":
    main()
