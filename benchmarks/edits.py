"""How soon an edit over HTTP is visible, and what import, build and service take in memory, by the number of entries.

    python -m benchmarks.edits [--entries 10000,100000] [--edits 20] [--bundle DIR]

A real service process and real HTTP: each edit is timed from the request to the first answer that has the new text. The
first edit starts the worker process, the others find it warm. Every command runs in a process of its own. Its peak
memory is the resident size, which counts the mapped files of the index, and the private part of it, which the kernel
cannot drop. CPU seconds depend less on what else the machine does. Without --bundle the encoder is that of the tests,
with vectors of 384 dimensions: it costs next to nothing, and all else is as with a real one. Writes
benchmarks/results/edits.json and .md, in which sizes that do not run keep their figures.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from app.knowledge.exports import export
from benchmarks.imports import KEY, digest, made, memory_of
from benchmarks.places import RESULTS
from tests import bundles

DIMENSION = 384
PRIVATE = "RssAnon"  # the kernel's name of resident memory that no file is behind
Figures = dict[str, Any]
ROWS = {
    "import_s": "import, s",
    "import_private_mb": "import, peak private MB",
    "build_s": "first build, s",
    "build_cpu_s": "first build, CPU s",
    "build_peak_mb": "first build, peak MB with mapped files",
    "build_private_mb": "first build, peak private MB",
    "rebuild_s": "full rebuild of unchanged entries, s",
    "rebuild_cpu_s": "full rebuild, CPU s",
    "rebuild_private_mb": "full rebuild, peak private MB",
    "first_edit_s": "first edit, which starts the worker, s",
    "edit_p50_s": "edit visible, median s",
    "edit_max_s": "edit visible, slowest s",
    "service_mb": "service before the edits, private MB",
    "service_peak_mb": "service during the edits, peak private MB",
    "worker_peak_mb": "warm worker, peak private MB",
}


def main() -> None:
    """Every size in a home of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--entries", default="10000,100000")
    parser.add_argument("--edits", type=int, default=20)
    parser.add_argument("--bundle", type=Path)
    options = parser.parse_args()
    results = RESULTS / "edits.json"
    report: dict[str, Figures] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        bundle = options.bundle or _bundle(Path(scratch) / "bundle")
        for size in map(int, options.entries.split(",")):
            report[str(size)] = measured(Path(scratch) / str(size), bundle, size, options.edits)
            sys.stdout.write(f"{size}: {json.dumps(report[str(size)])}\n")
    results.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "edits.md").write_text(page(report), encoding="utf-8")
    sys.stdout.write(page(report))


def measured(folder: Path, bundle: Path, entries: int, edits: int) -> Figures:
    """Import, build, rebuild, edit."""
    folder.mkdir()
    file, home = folder / "faq.jsonl", folder / "home"
    with file.open("wb") as target:
        target.writelines(export(made(entries), "jsonl"))
    figures: Figures = {}
    for name, arguments in (
        ("import", ("import", str(file))),
        ("build", ("reindex", "--bundle", str(bundle))),
    ):
        figures |= {f"{name}_{figure}": value for figure, value in ran(home, *arguments).items()}
    os.environ["FAQ_TARGET_PRECISION"] = "0.9"  # so the release is another one, of the same entries
    figures |= {f"rebuild_{figure}": value for figure, value in ran(home, "reindex").items()}
    with service(home) as (client, process):
        figures |= edited(client, process, entries, edits)
    del os.environ["FAQ_TARGET_PRECISION"]
    return figures


def ran(home: Path, *arguments: str) -> Figures:
    """Seconds, CPU seconds and peak memory of one command."""
    started, private = time.perf_counter(), 0
    environment = {**os.environ, "FAQ_HOME": str(home)}
    child = subprocess.Popen([sys.executable, "-m", "app", *arguments], env=environment, stdout=subprocess.DEVNULL)
    while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
        with suppress(StopIteration):  # it is about to end
            private = max(private, memory_of(child.pid, PRIVATE))
        time.sleep(0.05)
    _, status, usage = ended
    if status:
        raise RuntimeError(f"{arguments} ended with {status}")
    return {
        "s": round(time.perf_counter() - started, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "private_mb": private,
    }


def edited(client: httpx2.Client, process: int, entries: int, edits: int) -> Figures:
    """Change one entry after the other, and wait for each change to be visible."""
    before = memory_of(process, PRIVATE)
    peaks = {"service_peak_mb": 0.0, "worker_peak_mb": 0.0}
    done = threading.Event()
    watching = threading.Thread(target=_watch, args=(process, peaks, done))
    watching.start()
    seconds = [edit(client, number * entries // (edits + 1)) for number in range(edits + 1)]
    done.set()
    watching.join()
    return {
        "first_edit_s": round(seconds[0], 2),
        "edit_p50_s": round(statistics.median(seconds[1:]), 2),
        "edit_max_s": round(max(seconds[1:]), 2),
        "service_mb": before,
        **{name: round(peak) for name, peak in peaks.items()},
    }


def edit(client: httpx2.Client, number: int) -> float:
    """Change the answer of one entry; seconds until it is given."""
    answer = f"Edited at {time.monotonic()}."
    question = f"How do I change setting {number} of device {number % 977}, and what does it cost?"
    started = time.perf_counter()
    sent = client.patch(
        "/v1/admin/entry", params={"id": f"e{number}"}, json={"answer": answer}, headers={"If-Match": "*"}
    )
    sent.raise_for_status()
    asked = {"question": question, "min_confidence": 0, "top_k": 5}
    while all(row["answer"] != answer for row in client.post("/v1/ask", json=asked).json()["answers"]):
        time.sleep(0.02)
        if time.perf_counter() - started > 300:
            raise TimeoutError(client.get("/v1/admin/status").text)
    return time.perf_counter() - started


@contextmanager
def service(home: Path) -> Iterator[tuple[httpx2.Client, int]]:
    """A running service, as a client of it and its process id."""
    environment = {**os.environ, "FAQ_HOME": str(home), "FAQ_PORT": "8788", "FAQ_ADMIN_KEYS": digest()}
    log = home.parent / "service.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-m", "app"], env=environment, stderr=stream)
    try:
        headers = {"X-API-Key": KEY}
        with httpx2.Client(base_url="http://127.0.0.1:8788", headers=headers, timeout=60, trust_env=False) as client:
            while not _is_ready(client):
                if process.poll() is not None:
                    raise RuntimeError(log.read_text(encoding="utf-8"))
                time.sleep(0.1)
            yield client, process.pid
    finally:
        process.terminate()
        process.wait()


def _is_ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def _watch(process: int, peaks: dict[str, float], done: threading.Event) -> None:
    """Note the largest private memory of the service and of the process that it has started."""
    while not done.wait(0.1):
        peaks["service_peak_mb"] = max(peaks["service_peak_mb"], memory_of(process, PRIVATE))
        for child in Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split():
            try:
                peaks["worker_peak_mb"] = max(peaks["worker_peak_mb"], memory_of(int(child), PRIVATE))
            except (FileNotFoundError, StopIteration):  # it has ended
                continue


def _bundle(directory: Path) -> Path:
    bundles.DIMENSION = DIMENSION
    return bundles.make(directory).directory


def page(report: dict[str, Figures]) -> str:
    """The figures as a table, a column a size."""
    sizes = sorted(report, key=int)
    lines = [
        "# Edits",
        "",
        f"| | {' | '.join(f'{int(size):,} entries' for size in sizes)} |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    lines += [
        f"| {title} | {' | '.join(str(report[size].get(name, '')) for size in sizes)} |" for name, title in ROWS.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
