"""What reading a FAQ of 100,000 rows costs in each format: seconds, and the most memory of the process.

    python -m benchmarks.reading [--rows N]

Each format is read in a process of its own. Writes benchmarks/results/reading.json.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from openpyxl import Workbook

from app import cores
from app.knowledge.files import read_entries
from benchmarks.places import RESULTS

COLUMNS = ("question", "answer", "alternatives")

Rows = Iterator[tuple[str, str, list[str]]]


def main() -> None:
    """Every format in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        print(json.dumps(measure(options.file)))
        return
    report: dict[str, object] = {"rows": options.rows, "cores": cores.usable()}
    with TemporaryDirectory() as folder:
        for suffix, write in WRITERS.items():
            path = Path(folder, f"faq.{suffix}")
            write(path, rows(options.rows))
            command = [sys.executable, "-m", "benchmarks.reading", "--file", str(path)]
            report[suffix] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            path.unlink()
    (RESULTS / "reading.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def measure(path: Path) -> dict[str, float]:
    """Read one file in this process."""
    started, cpu = time.perf_counter(), time.process_time()
    entries = len(read_entries(path).entries)
    return {
        "entries": entries,
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def rows(count: int) -> Rows:
    """Questions, answers and alternatives, each different."""
    for i in range(count):
        answer = f"Four weeks, and twice as long if nobody waits for it; for book {i} ask at desk {i % 13}. " * 2
        yield f"How long may I keep book number {i} from shelf {i % 97}?", answer, [f"how long keep {i}", f"loan {i}"]


def _json_lines(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows)


def _json(path: Path, rows: Rows) -> None:
    objects = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    path.write_text(json.dumps({"faqs": objects}, indent=1), encoding="utf-8")


def _csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows((question, answer, "|".join(others)) for question, answer, others in rows)


def _xlsx(path: Path, rows: Rows) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(COLUMNS)
    for question, answer, others in rows:
        sheet.append((question, answer, "|".join(others)))
    book.save(path)


def _yaml(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for question, answer, others in rows:
            lines = (
                f"- question: {question}",
                f"  answer: {json.dumps(answer)}",
                f"  alternatives: {json.dumps(others)}",
            )
            stream.write("\n".join(lines) + "\n")


def _markdown(path: Path, rows: Rows) -> None:
    path.write_text("".join(f"## {question}\n\n{answer}\n\n" for question, answer, _ in rows), encoding="utf-8")


def _html(path: Path, rows: Rows) -> None:
    pairs = (f"<details><summary>{question}</summary><p>{answer}</p></details>" for question, answer, _ in rows)
    path.write_text(f"<html><body>{''.join(pairs)}</body></html>", encoding="utf-8")


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "jsonl": _json_lines,
    "json": _json,
    "csv": _csv,
    "xlsx": _xlsx,
    "yaml": _yaml,
    "md": _markdown,
    "html": _html,
}

if __name__ == "__main__":
    main()
