"""How the service uses the cores of a machine: throughput and memory by worker processes, encoder threads and CPU.

    python -m benchmarks.cores [--workers 1,2,4,8] [--encoders 1,2,4,8] [--seconds 8] [--data FILE] [--work DIR]

First one worker process with each number of encoders, then each number of worker processes with the encoders that the
service chooses for them. Each is asked distinct questions, then questions by Zipf's law. It needs nothing but the
repository's virtual environment, with the extra `base`, and takes some minutes: about 2 x seconds + 10 a row. The load
comes from `wrk` if it is installed, else from processes of `benchmarks.load`; the generator takes a core or two of
the same machine. Writes benchmarks/results/cores.json and .md.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import cores
from app.settings import Settings
from benchmarks.places import CLOUD_FAQ, RESULTS
from benchmarks.serving.preparing import DRAWS, OPENINGS, zipf

Figures = dict[str, Any]

PORT = 8110
CLIENTS = 128
SAMPLE = Path("data/faq.jsonl")
SCRIPT = Path(__file__).parent / "serving" / "ask.lua"
GENERATORS = 2  # processes of benchmarks.load, where there is no wrk
COLUMNS = {
    "workers": "worker processes",
    "encoders": "encoders each",
    "distinct_per_s": "distinct, a second",
    "distinct_p50_ms": "p50 ms",
    "distinct_p99_ms": "p99 ms",
    "distinct_cpu_ms": "CPU ms each",
    "distinct_cores": "cores in use",
    "distinct_loop_busy": "busiest event loop",
    "zipf_per_s": "Zipf, a second",
    "failed": "failed",
    "worker_mb": "own MB of a worker",
    "total_mb": "MB in all (PSS)",
}


@dataclass(frozen=True)
class Row:
    """What is measured: worker processes, and encoders of each; 0: as the service chooses."""

    workers: int
    encoders: int = 0


def main() -> None:
    """Publish the FAQ, measure each row, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--workers", default="1,2,4,8", help="numbers of worker processes")
    parser.add_argument("--encoders", default="1,2,4,8", help="numbers of encoders of one worker process")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--data", type=Path, default=CLOUD_FAQ if CLOUD_FAQ.exists() else SAMPLE)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-cores"))
    options = parser.parse_args()
    started = time.perf_counter()
    settings = prepared(options.data, options.work)
    rows = [Row(1, encoders) for encoders in numbers(options.encoders)]
    rows += [Row(workers) for workers in numbers(options.workers)]
    report: Figures = {
        "machine": platform.processor() or platform.machine(),
        "cores": cores.usable(),
        "data": options.data.name,
        "clients": CLIENTS,
        "seconds": options.seconds,
        "generator": "wrk" if shutil.which("wrk") else "benchmarks.load",
        "rows": [],
    }
    for row in rows:
        report["rows"].append(measured(row, settings, options))
        print(report["rows"][-1], f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    report["took_s"] = round(time.perf_counter() - started)
    report["load_average"] = os.getloadavg()[1]
    (RESULTS / "cores.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "cores.md").write_text(table(report), encoding="utf-8")
    print(table(report))


def numbers(text: str) -> list[int]:
    """The numbers of a list such as `1,2,4`."""
    return [int(number) for number in text.split(",") if number]


def prepared(data: Path, work: Path) -> Settings:
    """A FAQ_HOME with the FAQ published, and the files of questions, as texts and as bodies of requests."""
    work.mkdir(parents=True, exist_ok=True)
    settings = Settings(home=work / "home", port=PORT, auto_reindex="off", queue_limit=4 * CLIENTS)
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    questions = [" ".join(row["question"].split()) for row in rows if row.get("question")]
    copies = 1 + 40_000 // (len(OPENINGS) * len(questions))  # so that none is asked twice at one worker
    endings = ["", *(f" ({number})" for number in range(1, copies))]
    distinct = [opening + question + ending for ending in endings for opening in OPENINGS for question in questions]
    (work / "distinct.txt").write_text("\n".join(distinct), encoding="utf-8")
    (work / "zipf.txt").write_text("\n".join(questions), encoding="utf-8")
    drawn = [questions[number] for number in zipf(len(questions), DRAWS)]
    for name, texts in (("distinct", distinct), ("zipf", drawn)):
        bodies = "\n".join(json.dumps({"question": text}) for text in texts)
        (work / f"{name}.jsonl").write_text(bodies, encoding="utf-8")
    for command in (["import", str(data), "--mode", "replace"], ["reindex", "--base"]):
        environment = {**os.environ, **settings.environment()}
        subprocess.run([sys.executable, "-m", "app", *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    return settings


def measured(row: Row, settings: Settings, options: argparse.Namespace) -> Figures:
    """The figures of one row, from a service of its own."""
    with running(row, settings, options.work) as process:
        asked(options.work / "distinct.txt", 0, 1.0)
        figures = counted(process, options.work / "distinct.txt", 10_000, options.seconds)
        drawn = counted(process, options.work / "zipf.txt", 0, options.seconds)
        memory = [rolled(worker) for worker in workers_of(process)]
        everything = [rolled(pid)["Pss"] for pid in (process, *descendants(process))]
    return {
        "workers": row.workers,
        "encoders": row.encoders or cores.encoders(row.workers),
        **{f"distinct_{name}": value for name, value in figures.items()},
        "zipf_per_s": drawn["per_s"],
        "failed": figures["failed"] + drawn["failed"],
        "worker_mb": max(part["Private_Clean"] + part["Private_Dirty"] for part in memory) // 1024,
        "total_mb": sum(everything) // 1024,
    }


@contextmanager
def running(row: Row, settings: Settings, work: Path) -> Iterator[int]:
    """A service; yields its process id once all worker processes answer."""
    with tempfile.TemporaryDirectory() as directory:
        if row.encoders:  # the number is no setting: this file is run when Python starts
            patch = f"from app import cores\ncores.encoders = lambda setting: {row.encoders}\n"
            (Path(directory) / "sitecustomize.py").write_text(patch, encoding="utf-8")
        path = os.pathsep.join([directory, str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
        chosen = settings.model_copy(update={"workers": row.workers})
        environment = {**os.environ, **chosen.environment(), "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        log = work / "service.log"
        with log.open("w") as file:
            process = subprocess.Popen([sys.executable, "-m", "app"], env=environment, stderr=file)
        try:
            while log.read_text(encoding="utf-8").count("startup complete") < row.workers:
                if process.poll() is not None:
                    raise RuntimeError(log.read_text(encoding="utf-8"))
                time.sleep(0.1)
            time.sleep(0.5)
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


def counted(process: int, questions: Path, skip: int, seconds: float) -> Figures:
    """What is answered, with the CPU time of the service and of its busiest event loop."""
    below = [process, *descendants(process)]
    before, loops = sum(map(cpu_s, below)), [cpu_s(pid, loop=True) for pid in workers_of(process)]
    began = time.perf_counter()
    figures = asked(questions, skip, seconds)
    took, spent = time.perf_counter() - began, sum(map(cpu_s, below)) - before
    busy = [cpu_s(pid, loop=True) - at for pid, at in zip(workers_of(process), loops, strict=True)]
    figures["cpu_ms"] = round(spent * 1000 / max(figures["per_s"] * seconds, 1), 2)
    figures["cores"] = round(spent / took, 2)
    figures["loop_busy"] = round(max(busy) / took, 2)
    return figures


def asked(questions: Path, skip: int, seconds: float) -> Figures:
    """Ask in a closed loop for so long, from the question with the number `skip` on."""
    url = f"http://127.0.0.1:{PORT}/v1/ask"
    if wrk := shutil.which("wrk"):
        arguments = ["-t1", f"-c{CLIENTS}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(SCRIPT), url]
        (ran,) = outputs([[wrk, *arguments, "--", str(questions.with_suffix(".jsonl")), str(skip)]])
        rate, failed = ran["answers"] / ran["seconds"], ran["other"]
        return {"per_s": round(rate), "p50_ms": ran["p50_ms"], "p99_ms": ran["p99_ms"], "failed": failed}
    common = [
        "--seconds",
        str(seconds),
        "--clients",
        str(CLIENTS // GENERATORS),
        *(["--zipf"] if questions.stem == "zipf" else []),
    ]
    load = [sys.executable, "-m", "benchmarks.load", url, str(questions), *common, "--skip"]
    parts = outputs([[*load, str(skip + 20_000 * number)] for number in range(GENERATORS)])
    return {
        "per_s": round(sum(part["per_s"] for part in parts)),
        "p50_ms": max(part["p50_ms"] for part in parts),
        "p99_ms": max(part["p99_ms"] for part in parts),
        "failed": sum(count for part in parts for status, count in part["statuses"].items() if status != "200"),
    }


def outputs(commands: list[list[str]]) -> list[Figures]:
    """The last line that each command prints, as JSON. They run side by side."""
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    return [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]


def workers_of(process: int) -> list[int]:
    """The processes of a service that answer: itself, or its worker processes, which have an encoder's thread."""
    return [pid for pid in (process, *descendants(process)) if "encoder" in threads(pid).values()]


def descendants(process: int) -> list[int]:
    """The processes below a process."""
    files = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(child) for file in files for child in file.read_text().split()]
    return [pid for child in children for pid in (child, *descendants(child))]


def threads(process: int) -> dict[int, str]:
    """The names of the threads of a process, without their numbers."""
    names = {int(task.name): (task / "comm").read_text() for task in Path(f"/proc/{process}/task").iterdir()}
    return {thread: name.strip().rstrip("0123456789_-") for thread, name in names.items()}


def cpu_s(process: int, *, loop: bool = False) -> float:
    """The CPU time of a process so far, or of its event loop alone."""
    file = Path(f"/proc/{process}/task/{process}/stat" if loop else f"/proc/{process}/stat")
    user, system = file.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def rolled(process: int) -> dict[str, int]:
    """The sums of a process's mappings, in kB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}


def table(report: Figures) -> str:
    """The report as a page of Markdown."""
    lines = ["# Cores", "", f"{report['cores']} cores ({report['machine']}), {report['data']}, {CLIENTS} clients, "]
    lines[-1] += (
        f"{report['seconds']:g} s a load by {report['generator']} on the same machine, in {report['took_s']} s; "
    )
    lines[-1] += f"load average {report['load_average']:.1f}."
    lines += ["", f"| {' | '.join(COLUMNS.values())} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(f'{row[name]:g}' for name in COLUMNS)} |" for row in report["rows"]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
