"""The whole road, measured from outside: a bundle's answers over HTTP against the trainer's own figures.

    python -m benchmarks.cloud_faq     first: it leaves the bundle, the answers and the questions in --work
    python -m benchmarks.road [--work DIR]

Imports the answers as bare passages, publishes them with the fine-tuned bundle, serves them with `python -m app` and
asks every held-out question. Writes benchmarks/results/road.json and .md.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from app.encoding.encoder import Encoder
from app.index.candidates import Question
from app.releases.catalog import Catalog
from app.settings import Settings
from benchmarks.places import RESULTS

BATCH = 32


def main() -> None:
    """Import, publish, serve, ask, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-bench"))
    work = parser.parse_args().work
    queries = [json.loads(line) for line in (work / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0)
        report = {
            "import_s": timed(lambda: command(settings, "import", str(work / "all_answers.jsonl"))),
            "publish_s": timed(lambda: command(settings, "reindex", "--bundle", str(work / "run" / "bundle"))),
            **served(settings, queries),
            **asyncio.run(inside(settings, [query["question"] for query in queries])),
        }
    offline = json.loads((RESULTS / "cloud_faq.json").read_text(encoding="utf-8"))["answers_all"]["systems"]
    report["offline_precision@1"] = offline["fine-tuned"]["precision@1"]
    write(report)


def command(settings: Settings, *arguments: str) -> None:
    """Run a command of the service to its end."""
    environment = {**os.environ, **settings.environment()}
    subprocess.run([sys.executable, "-m", "app", *arguments], env=environment, check=True)


def served(settings: Settings, queries: list[dict[str, str]]) -> dict[str, Any]:
    """What a client sees: time to ready, precision, latency, and the memory that it takes."""
    environment = {**os.environ, **settings.environment()}
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "app"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = re.search(r"http://\S+", process.stderr.readline())
        assert address is not None
        with httpx2.Client(base_url=address[0], trust_env=False) as client:
            ready_s = until_ready(client, started)
            idle = resident_mb(process.pid)
            right, latencies = asked(client, queries)
            batched_s = timed(lambda: batches(client, [query["question"] for query in queries]))
        memory = resident_mb(process.pid)
    finally:
        process.terminate()
        process.communicate()
    return {
        "questions": len(queries),
        "ready_s": round(ready_s, 2),
        "http_precision@1": round(right / len(queries), 4),
        "http_p50_ms": round(median(latencies) * 1000, 2),
        "http_p99_ms": round(sorted(latencies)[int(0.99 * len(latencies))] * 1000, 2),
        "http_batch_questions_per_s": round(len(queries) / batched_s),
        "resident_mb_at_start": idle,
        "resident_mb_after": memory,
        "exit_status": process.returncode,
    }


def until_ready(client: httpx2.Client, started: float) -> float:
    """Seconds from `started` until /readyz says so."""
    while time.perf_counter() - started < 60:
        try:
            if client.get("/readyz").status_code == 200:
                return time.perf_counter() - started
        except httpx2.TransportError:
            pass
        time.sleep(0.02)
    raise RuntimeError("the service does not become ready")


def asked(client: httpx2.Client, queries: list[dict[str, str]]) -> tuple[int, list[float]]:
    """How many questions get the right answer first, and how long each took."""
    right, latencies = 0, []
    for query in queries:
        body = {"question": query["question"], "top_k": 1, "min_confidence": 0}
        start = time.perf_counter()
        reply = client.post("/v1/ask", json=body).json()
        latencies.append(time.perf_counter() - start)
        right += reply["answers"][0]["answer"] == query["answer"].strip()
    return right, latencies


def batches(client: httpx2.Client, questions: list[str]) -> None:
    """All questions, 32 at a time."""
    for start in range(0, len(questions), BATCH):
        client.post("/v1/ask/batch", json={"questions": questions[start : start + BATCH]}).raise_for_status()


async def inside(settings: Settings, questions: list[str]) -> dict[str, float]:
    """Medians of the two parts, in this process: encoding one question, searching with it."""
    catalog = Catalog(settings)
    name = await catalog.active()
    assert name is not None
    encoder, index = Encoder(catalog.bundle_of(name)), await catalog.indexes.open(name)
    encode, search = [], []
    for question in questions[:300]:
        start = time.perf_counter()
        (vector,) = encoder.encode_queries([question])
        middle = time.perf_counter()
        await index.search(Question(question, vector), 20, {})
        encode.append(middle - start)
        search.append(time.perf_counter() - middle)
    await index.close()
    await catalog.close()
    return {"encode_p50_ms": round(median(encode) * 1000, 2), "search_p50_ms": round(median(search) * 1000, 2)}


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    work()
    return round(time.perf_counter() - start, 2)


def resident_mb(pid: int) -> int:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def write(report: dict[str, Any]) -> None:
    """The figures as JSON and as a table."""
    lines = ["# The road, over HTTP", "", "| measure | figure |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {value:,} |" for name, value in report.items()]
    (RESULTS / "road.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "road.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
