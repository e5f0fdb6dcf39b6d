"""Serving under load: Faqtual against what one would write instead, on one machine, in one run, on the same questions.

    python -m benchmarks.serving [--data FILE] [--work DIR] [--infinity VENV] [--seconds 4] [--rounds 3]

faqtual    `python -m app` with the embedded index, full ranking, no reranker
plain      benchmarks.plain_service: FastAPI, SentenceTransformer, qdrant-client's local mode
infinity   the same service, embedding by an infinity server (dynamic batching, torch); left out without --infinity,
           the directory of a virtual environment that holds infinity-emb[server,torch]
ceiling    Faqtual's encoder alone, and its index alone, on all cores, nothing around them

The FAQ is --data; its bundle is the exported base model (`trainer fit --epochs 0`), made once in --work. All-distinct
questions are the FAQ's own with openings before them; Zipf draws from the FAQ's own. The systems take turns at every
level of load. As root, everything measured runs at a high priority, since the generator shares the cores with the
service and other work may too. Writes benchmarks/results/serving.json, .md and .png.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import httpx2

from app.http.security import digest_of
from app.settings import Settings
from benchmarks import serving_page
from benchmarks.cloud_faq import DATA, RESULTS

Figures = dict[str, Any]

PORTS = {"faqtual": 8100, "plain": 8101, "infinity": 8102}
EMBEDDER_PORT = 8109
CLIENTS = (1, 8, 64, 256)
SATURATED = 64  # clients
KEY = "benchmark"
OPENINGS = (
    "Please tell me: ",
    "Hello, ",
    "One question: ",
    "I would like to know: ",
    "Hi there, ",
    "Can you help? ",
    "Quick one: ",
    "Sorry to ask: ",
    "For my team: ",
    "Once more: ",
    "In short: ",
    "Just wondering: ",
)


@dataclass
class System:
    """A service under load and the processes that it consists of."""

    name: str
    url: str
    processes: list[int]
    skip: int = 0  # of the distinct questions, how many it was asked already

    def cpu_s(self) -> float:
        """CPU time so far."""
        return sum(_cpu_s(pid) for pid in self.processes)

    def resident_mb(self) -> int:
        """Resident memory now."""
        return sum(_resident_mb(pid) for pid in self.processes)


def main() -> None:
    """Start everything, take turns, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-serving"))
    parser.add_argument("--infinity", type=Path, help="a virtual environment with infinity-emb[server,torch]")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    favour()
    settings = prepared(options.data, options.work)
    started = time.perf_counter()
    with ExitStack() as stack:
        systems = [stack.enter_context(system) for system in services(settings, options)]
        report = measured(systems, options, settings)
    report["ceiling"] = ceiling(settings, options.work)
    report["load_average"] = os.getloadavg()[
        1
    ]  # of five minutes; well above what this itself makes: others were at work
    report["seconds"] = round(time.perf_counter() - started)
    report["targets"] = targets(report)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "serving.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "serving.md").write_text(serving_page.table(report), encoding="utf-8")
    serving_page.plot(report, RESULTS / "serving.png")
    print(serving_page.table(report))


def favour() -> None:
    """A high priority for this process and all that it starts, where that is allowed; and a session of its own,
    as Linux shares the cores among sessions before it looks at priorities."""
    with suppress(OSError):
        os.setsid()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        Path("/proc/self/autogroup").write_text("-7", encoding="ascii")


def prepared(data: Path, work: Path) -> Settings:
    """A FAQ_HOME with the FAQ published, and the files of questions."""
    work.mkdir(parents=True, exist_ok=True)
    settings = Settings(home=work / "home", port=PORTS["faqtual"], admin_keys=(digest_of(KEY),))
    questions = [" ".join(json.loads(line)["question"].split()) for line in data.read_text("utf-8").splitlines()]
    distinct = [opening + question for opening in OPENINGS for question in questions]
    Random(0).shuffle(distinct)
    (work / "zipf.txt").write_text("\n".join(questions), encoding="utf-8")
    (work / "distinct.txt").write_text("\n".join(distinct), encoding="utf-8")
    if not (work / "run" / "bundle" / "manifest.json").exists():
        command("trainer", "fit", "--data", str(data), "--epochs", "0", "--out", str(work / "run"))
    command("app", "import", str(data), "--mode", "replace", settings=settings)
    command("app", "reindex", "--bundle", str(work / "run" / "bundle"), settings=settings)
    return settings


def command(module: str, *arguments: str, settings: Settings | None = None) -> None:
    """Run a command of ours to its end."""
    environment = {**os.environ, **(settings.environment() if settings else {})}
    subprocess.run([sys.executable, "-m", module, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)


def services(settings: Settings, options: argparse.Namespace) -> Iterator[Any]:
    """The systems to measure, each to be entered."""
    from app.graphs.packaged import packaged

    plain = ["-m", "benchmarks.plain_service", str(options.data), str(options.work / "plain.npy")]
    plain += ["--model", str(packaged()), "--port"]
    yield running("faqtual", [[sys.executable, "-m", "app"]], "/v1/ask", settings.environment())
    yield running("plain", [[sys.executable, *plain, str(PORTS["plain"])]], "/ask", {})
    if options.infinity is None:
        print("infinity: left out, as --infinity names no virtual environment", file=sys.stderr)
        return
    server = [str(options.infinity / "bin" / "infinity_emb"), "v2", "--model-id", str(packaged()), "--engine", "torch"]
    server += ["--device", "cpu", "--no-bettertransformer", "--port", str(EMBEDDER_PORT), "--no-model-warmup"]
    asking = [sys.executable, *plain, str(PORTS["infinity"]), "--embedder", f"http://127.0.0.1:{EMBEDDER_PORT}"]
    yield running("infinity", [server, asking], "/ask", {"DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"})


@contextmanager
def running(name: str, commands: list[list[str]], path: str, environment: dict[str, str]) -> Iterator[System]:
    """The commands as processes, once a question is answered."""
    inherited = {**os.environ, "OMP_NUM_THREADS": "1"}  # with more, torch's threads block each other from 8 clients on
    processes = []
    try:
        for one in commands:
            silent = subprocess.DEVNULL
            processes.append(subprocess.Popen(one, env={**inherited, **environment}, stdout=silent, stderr=silent))
        url = f"http://127.0.0.1:{PORTS[name]}{path}"
        _until_answering(url, processes)
        yield System(name, url, [process.pid for process in processes])
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _until_answering(url: str, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            raise RuntimeError(f"{url} ended before it answered")
        with suppress(httpx2.TransportError):
            if httpx2.post(url, json={"question": "Are you there?"}, trust_env=False, timeout=30).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{url} does not answer")


def measured(systems: list[System], options: argparse.Namespace, settings: Settings) -> Figures:
    """Every system at every level of load, in turns; then what only Faqtual is asked."""
    report: Figures = {"distinct": {one.name: {} for one in systems}, "zipf": {}, "saturated_rounds": {}}
    for clients in CLIENTS:
        for system in systems:
            seconds = str(options.seconds * (1 if clients <= SATURATED else 2))  # the slow need seconds for each answer
            found = load(system, options, "--clients", str(clients), "--seconds", seconds)
            report["distinct"][system.name][str(clients)] = found
    for _ in range(options.rounds - 1):
        for system in systems:
            found = load(system, options, "--clients", str(SATURATED))
            report["saturated_rounds"].setdefault(system.name, []).append(found["per_s"])
    for system in systems:
        first = report["distinct"][system.name][str(SATURATED)]["per_s"]
        rounds = report["saturated_rounds"].setdefault(system.name, [])
        rounds.insert(0, first)
        load(system, options, "--clients", str(SATURATED), "--zipf")  # the common ones have been asked before
        report["zipf"][system.name] = load(system, options, "--clients", str(SATURATED), "--zipf")
    half = str(round(median(report["saturated_rounds"]["faqtual"]) / 2))
    report["half_of_saturation"] = load(systems[0], options, "--clients", "64", "--rate", half)
    report["during_reindex"] = during_reindex(systems[0], options, settings, half)
    return report


def load(system: System, options: argparse.Namespace, *arguments: str) -> Figures:
    """One measurement, by a generator in its own process."""
    zipf = "--zipf" in arguments
    questions = options.work / ("zipf.txt" if zipf else "distinct.txt")
    generator = [sys.executable, "-m", "benchmarks.load", system.url, str(questions), "--skip", str(system.skip)]
    before = system.cpu_s()
    generator += ["--seconds", str(options.seconds), *arguments]
    ran = subprocess.run(generator, check=True, stdout=subprocess.PIPE, timeout=60)  # one that hangs holds the cores
    found: Figures = json.loads(ran.stdout)
    system.skip += 0 if zipf else found["asked"]
    found["cpu_ms"] = round((system.cpu_s() - before) * 1000 / max(found["asked"], 1), 2)
    found["resident_mb"] = system.resident_mb()
    print(system.name, " ".join(arguments), found, file=sys.stderr)
    return found


def during_reindex(system: System, options: argparse.Namespace, settings: Settings, rate: str) -> Figures:
    """The same load while a release with every fifth answer changed is built."""
    rows = [json.loads(line) for line in options.data.read_text(encoding="utf-8").splitlines()]
    for row in rows[::5]:
        row["answer"] += " This answer was reviewed this year."
    changed = options.work / "changed.jsonl"
    changed.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    command("app", "import", str(changed), "--mode", "replace", settings=settings)
    client = httpx2.Client(base_url=system.url.removesuffix("/v1/ask"), headers={"X-API-Key": KEY}, trust_env=False)
    job = client.post("/v1/admin/reindex").raise_for_status().headers["Location"]
    time.sleep(2)  # its process has started then, and encodes
    found = load(system, options, "--clients", "64", "--rate", rate)
    found["job_after"] = client.get(job).json()["status"]
    client.post(f"{job}/cancel")
    return found


def ceiling(settings: Settings, work: Path) -> Figures:
    """The parts alone, in a process of their own."""
    code = [sys.executable, "-m", "benchmarks.serving_ceiling", str(settings.home), str(work / "distinct.txt")]
    ran = subprocess.run(code, check=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    found: Figures = json.loads(ran.stdout)
    return found


def targets(report: Figures) -> list[Figures]:
    """What was to be reached, and what was."""
    rate = {name: median(rounds) for name, rounds in report["saturated_rounds"].items()}
    ours, alone = rate["faqtual"], report["distinct"]["faqtual"]["1"]["p50_ms"]
    zipf = {name: found["per_s"] for name, found in report["zipf"].items()}
    half, reindex = report["half_of_saturation"], report["during_reindex"]
    rows = [
        ("all-distinct, saturated: against plain", ours / rate["plain"], ">=", 12.0),
        ("all-distinct, saturated: of the encoder alone", ours / report["ceiling"]["encoder_per_s"], ">=", 0.6),
        ("Zipf, saturated: against plain", zipf["faqtual"] / zipf["plain"], ">=", 25.0),
        ("one client: p50 as a share of plain's", alone / report["distinct"]["plain"]["1"]["p50_ms"], "<=", 1 / 8),
        ("half of saturation: p99 against the unloaded p50", half["p99_ms"] / alone, "<=", 4.0),
        ("during a reindex: p99 against without one", reindex["p99_ms"] / half["p99_ms"], "<=", 2.0),
    ]
    if "infinity" in rate:
        rows.insert(1, ("all-distinct, saturated: against infinity", ours / rate["infinity"], ">=", 3.0))
    return [
        {"what": what, "measured": round(value, 3), "target": f"{sign} {goal:g}", "met": _met(value, sign, goal)}
        for what, value, sign, goal in rows
    ]


def _met(value: float, sign: str, goal: float) -> bool:
    return value >= goal if sign == ">=" else value <= goal


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
