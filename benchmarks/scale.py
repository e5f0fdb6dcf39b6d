"""What a large FAQ costs on the embedded index: import, build, open, ask, by the number of entries.

    python -m benchmarks.scale [--entries 10000,50000,200000] [--home DIR]
    python -m benchmarks.scale --encode

Entries of real texts: a question and one alternative of Quora, an answer of SQuAD, so three vectors of 384 numbers.
Every command is a process of its own. The model has the base model's tokenizer, and gives the mean of a random vector
for each word: it costs next to nothing, so that 200,000 entries can be measured. What encoding adds is measured by
--encode, on texts of the same entries with the base model itself, in one process and in one a core. A figure of asking
is that of one client over HTTP, whose questions are all different. Memory is private (no file is behind it, so the
kernel cannot drop it) or the proportional share with mapped files (PSS). Writes benchmarks/results/scale.json and .md,
in which what does not run keeps its figures. --home keeps the homes, so that a size that was interrupted goes on after
the steps that are done.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import linear_regression, median, quantiles
from typing import Any

import onnx
from tokenizers import Tokenizer

from app.cores import usable
from app.encoding.bundle import MODEL, TOKENIZER, seal
from app.encoding.encoder import Encoder
from app.encoding.encoders import ANSWER, QUESTION, Encoders
from app.knowledge.entry import Entry
from app.knowledge.exports import export
from app.releases.base import base_bundle
from app.releases.catalog import Catalog
from app.settings import Settings
from benchmarks import lint
from benchmarks.edits import PRIVATE, ran, service
from benchmarks.imports import memory_of
from benchmarks.places import RESULTS
from tests import bundles

Figures = dict[str, Any]
VECTORS = 3  # of an entry
QUESTIONS = 300
WARM = 20  # questions asked before, which are not counted
SAMPLE = 320  # entries whose texts are encoded by the base model
CHUNK = 64  # entries whose texts are encoded together, as in a build
ROWS = {
    "import_s": "import, s",
    "import_cpu_s": "import, CPU s",
    "import_private_mb": "import, peak private MB",
    "build_s": "build without encoding, s",
    "build_cpu_s": "build without encoding, CPU s",
    "build_private_mb": "build, peak private MB",
    "build_peak_mb": "build, peak MB with mapped files",
    "database_mb": "disk: database, MB",
    "index_mb": "disk: index, MB",
    "cache_mb": "disk: vector cache, MB",
    "open_s": "open the index, s",
    "ready_s": "start of the service until it answers, s",
    "service_private_mb": "service, private MB",
    "service_pss_mb": "service, PSS MB",
    "ask_p50_ms": "ask, p50 ms",
    "ask_p95_ms": "ask, p95 ms",
    "ask_cpu_ms": "ask, CPU ms of the service",
}
LINEAR = {name for name in ROWS if name.endswith(("_mb", "_cpu_s"))}  # what grows by as much with each entry
COMPUTED = 1_000_000  # entries


def main() -> None:
    """Every size in a home of its own, or the encoding."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--entries", default="10000,50000,200000")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--encode", action="store_true")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        sys.stdout.write(f"{asyncio.run(opening(options.open))}\n")
        return
    if options.prepare:
        prepare(options.prepare, int(options.entries))
        return
    results = RESULTS / "scale.json"
    report: dict[str, Figures] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        if options.encode:
            report["encoding"] = encoding(Path(scratch))
        else:
            for size in map(int, options.entries.split(",")):
                report[str(size)] = measured(options.home or Path(scratch), size)
    results.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "scale.md").write_text(page(report), encoding="utf-8")
    sys.stdout.write(page(report))


def made(count: int) -> Iterator[Entry]:
    """Entries of real texts: a question, one alternative, an answer of at most 600 characters."""
    for entry in islice(lint.made(), count):
        yield entry.model_copy(update={"alternatives": entry.alternatives[:1]})


def measured(folder: Path, entries: int) -> Figures:
    """Import, build, open, ask. What was measured in `folder` before is read from there."""
    folder = folder / str(entries)
    folder.mkdir(parents=True, exist_ok=True)
    done, file, home = folder / "figures.json", folder / "faq.jsonl", folder / "home"
    figures: Figures = json.loads(done.read_text(encoding="utf-8")) if done.exists() else {}
    if not file.exists():  # in a process of its own, as a child's peak memory begins with that of its parent
        itself("--prepare", str(folder), "--entries", str(entries))
    steps = {
        "import": ("import", str(file)),
        "build": ("reindex", "--processes", "1", "--bundle", str(folder / "bundle")),
    }
    for name, arguments in steps.items():
        if f"{name}_s" not in figures:
            figures |= {f"{name}_{figure}": value for figure, value in ran(home, *arguments).items()}
            done.write_text(json.dumps(figures), encoding="utf-8")
    figures |= on_disk(home)
    figures["open_s"] = round(float(itself("--open", str(home))), 2)
    return figures | asked(home, entries)


def itself(*arguments: str) -> bytes:
    """The output of this command in another process."""
    code = [sys.executable, "-m", "benchmarks.scale", *arguments]
    return subprocess.run(code, check=True, stdout=subprocess.PIPE).stdout


def prepare(folder: Path, entries: int) -> None:
    """Write the entries, and as `folder`/bundle the base model but for its graph."""
    with (folder / "faq.jsonl").open("wb") as target:
        target.writelines(export(made(entries), "jsonl"))
    bundle = folder / "bundle"
    base = base_bundle(folder / "base", ["a text"])
    shutil.copytree(base.directory, bundle)
    bundles.DIMENSION = base.manifest.encoding.dimension
    onnx.save(bundles.graph(Tokenizer.from_file(str(bundle / TOKENIZER)).get_vocab_size(), seed=0), bundle / MODEL)
    encoding = base.manifest.encoding.model_copy(update={"precision": "fp32"})
    seal(bundle, encoding=encoding, base_model="words", recipe="none", created_at=base.manifest.created_at)


def on_disk(home: Path) -> Figures:
    """MB that each part of the home takes on the disk, without holes."""

    def megabytes(pattern: str) -> int:
        return round(sum(path.stat().st_blocks * 512 for path in home.glob(pattern) if path.is_file()) / 1e6)

    return {
        "database_mb": megabytes("knowledge.db*"),
        "index_mb": megabytes("index/**/*"),
        "cache_mb": megabytes("vectors/**/*"),
    }


async def opening(home: Path) -> float:
    """Seconds to open the active release."""
    catalog = Catalog(Settings(home=home))
    name = await catalog.active()
    if name is None:
        raise RuntimeError(f"{home} has no active release")
    start = time.perf_counter()
    index = await catalog.indexes.open(name)
    seconds = time.perf_counter() - start
    await index.close()
    await catalog.close()
    return seconds


def asked(home: Path, entries: int) -> Figures:
    """Ask a running service questions that stand in the FAQ but for their last word."""
    step = max(1, entries // (QUESTIONS + WARM))
    questions = [entry.question.rpartition(" ")[0] for entry in islice(made(entries), 0, None, step)]
    begun, milliseconds = time.perf_counter(), []
    with service(home) as (client, process):
        ready = time.perf_counter() - begun
        for number, question in enumerate(questions[: QUESTIONS + WARM]):
            if number == WARM:
                spent = cpu_seconds(process)
            start = time.perf_counter()
            client.post("/v1/ask", json={"question": question}).raise_for_status()
            milliseconds.append((time.perf_counter() - start) * 1000)
        spent = cpu_seconds(process) - spent
        memory = {"service_private_mb": memory_of(process, PRIVATE), "service_pss_mb": pss_of(process)}
    milliseconds = milliseconds[WARM:]
    return {
        "ready_s": round(ready, 1),
        **memory,
        "ask_p50_ms": round(median(milliseconds), 1),
        "ask_p95_ms": round(quantiles(milliseconds, n=20)[-1], 1),
        "ask_cpu_ms": round(1000 * spent / len(milliseconds), 1),
    }


def cpu_seconds(process: int) -> float:
    """CPU time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_of(process: int) -> int:
    """Memory of a process in MB, of shared pages its share."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Pss:"))) // 1024


def encoding(models: Path) -> Figures:
    """Milliseconds a text of the base model in a build: by the clock in one process and in one a core, and of CPU."""
    entries = list(made(SAMPLE))
    bundle = base_bundle(models, (entry.answer for entry in entries))
    figures: Figures = {"cores": usable(), "texts": VECTORS * SAMPLE}
    for name, processes in (("one_process", 1), ("a_process_a_core", usable())):
        encoders = Encoders(Encoder(bundle), bundle, processes, alone=0)
        in_chunks(encoders, entries[: CHUNK * (processes + 1)])  # the processes are there, and their models loaded
        start = time.perf_counter(), os.times()
        in_chunks(encoders, entries)
        seconds, ended = time.perf_counter() - start[0], os.times()
        figures[f"{name}_ms"] = round(1000 * seconds / (VECTORS * SAMPLE), 2)
        if processes == 1:
            cpu = ended.user + ended.system - start[1].user - start[1].system
            figures["cpu_ms"] = round(1000 * cpu / (VECTORS * SAMPLE), 2)
        encoders.close()
    return figures


def in_chunks(encoders: Encoders, entries: list[Entry]) -> None:
    """Encode the texts of all entries."""
    begun = []
    for start in range(0, len(entries), CHUNK):
        chunk = entries[start : start + CHUNK]
        begun.append(encoders.begin(ANSWER, [entry.answer for entry in chunk]))
        begun.append(encoders.begin(QUESTION, [text for entry in chunk for text in entry.phrasings]))
    for computing in begun:
        computing.result()


def page(report: dict[str, Figures]) -> str:
    """The figures as a table, a column a size, and what grows with the entries computed for COMPUTED of them."""
    sizes = sorted((size for size in report if size.isdigit()), key=int)
    heads = [f"{int(size):,} entries" for size in sizes]
    lines = ["# Large FAQs, embedded index", ""]
    lines.append(f"| | {' | '.join([*heads, 'each 1,000 more', f'{COMPUTED:,}, computed'])} |")
    lines.append("|---" * (len(sizes) + 3) + "|")
    for name, title in ROWS.items():
        row = [str(report[size].get(name, "")) for size in sizes]
        lines.append(f"| {title} | {' | '.join([*row, *growth(report, sizes, name)])} |")
    if rate := report.get("encoding"):
        lines += [
            "",
            f"Encoding with the base model on {rate['cores']} cores: {rate['cpu_ms']} ms of CPU a text; "
            f"{rate['one_process_ms']} ms in one process, {rate['a_process_a_core_ms']} ms in one a core.",
        ]
    return "\n".join(lines) + "\n"


def growth(report: dict[str, Figures], sizes: list[str], name: str) -> tuple[str, str]:
    """What 1,000 entries more add, and the figure for COMPUTED entries: a line through all sizes (least squares)."""
    values = [(int(size), report[size][name]) for size in sizes if name in report[size]]
    if name not in LINEAR or len(values) < 2:
        return "", ""
    line = linear_regression(*zip(*values, strict=True))
    return f"{1000 * line.slope:.2f}", f"{line.intercept + line.slope * COMPUTED:,.0f}"


if __name__ == "__main__":
    main()
