"""A large FAQ file in and out: seconds, peak memory, and how long askers wait while the service imports it.

    python -m benchmarks.imports [--entries 100000] [--formats jsonl,csv,xlsx] [--bundle DIR]

Each command runs in a process of its own, whose peak memory is the kernel's figure. With --bundle a service that
answers from 200 entries imports the file over HTTP, and one client asks it questions all the time, before the import
and during it. Writes benchmarks/results/imports.json, in which formats that do not run keep their figures.
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
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.knowledge.entry import Entry
from app.knowledge.exports import FORMATS, MEDIA_TYPES, export, export_format
from benchmarks.places import RESULTS

PORT = 8787
ASKED_S = 10  # before the import
KEY = "key-of-the-benchmark"


def main() -> None:
    """All formats, then the service."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--bundle", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        results = RESULTS / "imports.json"
        report: dict[str, Any] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
        report["entries"] = options.entries
        for kind in options.formats.split(","):
            report[kind] = of_format(folder, kind, options.entries)
            sys.stdout.write(f"{kind}: {json.dumps(report[kind])}\n")
        if options.bundle:
            report["service"] = of_service(folder, options.bundle, folder / "faq.jsonl")
            sys.stdout.write(f"service: {json.dumps(report['service'])}\n")
    results.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def made(count: int) -> Iterator[Entry]:
    """Entries of some 400 characters, no two alike."""
    for i in range(count):
        question = f"How do I change setting {i} of device {i % 977}, and what does it cost?"
        answer = (
            f"Open page {i}, choose “Settings”, then entry {i % 131}. " + "It takes a minute and costs nothing. " * 6
        )
        alternatives = (f"Where is setting {i}?", f"setting {i} of {i % 977}")
        yield Entry(id=f"e{i}", question=question, answer=answer, alternatives=alternatives, metadata={"n": i})


def of_format(folder: Path, kind: str, count: int) -> dict[str, Any]:
    """The file's size; import into an empty store, import of the same again, a dry run, and export."""
    file, home = folder / f"faq.{kind}", folder / f"home-{kind}"
    with file.open("wb") as target:
        target.writelines(export(made(count), export_format(file.name)))
    runs = {
        "import": ("import", str(file)),
        "import_again": ("import", str(file), "--mode", "replace"),
        "dry_run": ("import", str(file), "--dry-run", "--json"),
        "export": ("export", str(folder / f"out.{kind}")),
    }
    return {"file_mb": round(file.stat().st_size / 1e6, 1)} | {name: command(home, *run) for name, run in runs.items()}


def command(home: Path, *arguments: str) -> dict[str, float]:
    """Seconds and peak memory of one command."""
    start = time.perf_counter()
    environment = {**os.environ, "FAQ_HOME": str(home)}
    child = subprocess.Popen([sys.executable, "-m", "app", *arguments], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, arguments
    return {"seconds": round(time.perf_counter() - start, 1), "peak_mb": round(usage.ru_maxrss / 1024)}


def of_service(folder: Path, bundle: Path, file: Path) -> dict[str, Any]:
    """What askers wait, in milliseconds, before the import and during it, and the service's memory."""
    home, small = folder / "service", folder / "small.jsonl"
    small.write_bytes(b"".join(export(made(200), "jsonl")))
    command(home, "import", str(small))
    command(home, "reindex", "--bundle", str(bundle))
    environment = {**os.environ, "FAQ_HOME": str(home), "FAQ_PORT": str(PORT), "FAQ_ADMIN_KEYS": digest()}
    service = subprocess.Popen([sys.executable, "-m", "app"], env=environment, stderr=subprocess.DEVNULL)
    try:
        while not asked(0):
            time.sleep(0.2)
        before = asking(threading.Event(), ASKED_S)
        memory = {"before_mb": memory_of(service.pid)}
        done = threading.Event()
        seconds: list[float] = []
        upload = threading.Thread(target=lambda: seconds.append(uploaded(file, done)))
        upload.start()
        during = asking(done, 600)
        upload.join()
        memory["peak_mb"] = memory_of(service.pid, "VmHWM")
        return {"import_seconds": round(seconds[0], 1), "before_ms": before, "during_ms": during, **memory}
    finally:
        service.terminate()
        service.wait()


def digest() -> str:
    """The setting that admits KEY."""
    from app.http.security import digest_of

    return digest_of(KEY)


def asked(number: int) -> bool:
    """Ask one question; whether it was answered."""
    body = json.dumps({"question": f"Where is setting {number} of device {number}?"}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/ask", body, {"Content-Type": "application/json", "X-API-Key": KEY}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def asking(done: threading.Event, most_s: float) -> dict[str, float]:
    """Ask, one question after another, until `done` or for so long."""
    taken: list[float] = []
    until = time.perf_counter() + most_s
    while time.perf_counter() < until and not done.is_set():
        start = time.perf_counter()
        assert asked(len(taken))
        taken.append(1000 * (time.perf_counter() - start))
        time.sleep(0.01)
    cuts = statistics.quantiles(taken, n=100)
    return {"questions": len(taken)} | {
        name: round(value, 1) for name, value in (("p50", cuts[49]), ("p99", cuts[98]), ("max", max(taken)))
    }


def uploaded(file: Path, done: threading.Event) -> float:
    """Import the file over HTTP; the seconds that took."""
    start = time.perf_counter()
    url = f"http://127.0.0.1:{PORT}/v1/admin/entries/import"
    headers = {"Content-Type": MEDIA_TYPES[export_format(file.name)], "X-API-Key": KEY}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, file.read_bytes(), headers), timeout=600) as response:
            assert response.status == 200
    finally:
        done.set()
    return time.perf_counter() - start


def memory_of(pid: int, name: str = "VmRSS") -> int:
    """Resident memory of a process in MB, now or (VmHWM) at its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) // 1024


if __name__ == "__main__":
    main()
