"""Serving under load: Faqtual against what one would write instead, on one machine, in one run, on the same questions.

    python -m benchmarks.serving [--data FILE] [--work DIR] [--systems faqtual,plain,infinity] [--infinity VENV]
                                 [--before DIR] [--rounds 5] [--seconds 6] [--clients 1,8,64,256] [--out NAME]

faqtual    `python -m app` with the embedded index, full ranking, no reranker
plain      benchmarks.plain_service: FastAPI, SentenceTransformer, qdrant-client's local mode
infinity   the same service, embedding by an infinity server (dynamic batching, torch); left out without --infinity,
           the directory of a virtual environment of its own, as it needs older libraries:
           python -m venv VENV; VENV/bin/pip install "infinity-emb[server,torch]==0.0.78" "torch==2.13.0+cpu"
before     with --before, a checkout of another version: the same as faqtual, with that code
encoder    Faqtual's encoder alone, and its index alone, in one thread, nothing around them

The load comes from `wrk` (`apt-get install wrk`), the open loop from benchmarks.load; no question is asked twice,
except by Zipf's law. The FAQ is --data; its bundle is the exported base model (`trainer fit --epochs 0`), made once in
--work. The systems take turns at every level of load, and the rounds repeat all of it; the figures are medians, with
the least and the greatest. As root, everything measured runs at a high priority, since the generator shares the cores
with the service and other work may too. Writes NAME.json, .md and .png to benchmarks/results.

A quick look: --systems faqtual --rounds 1 --seconds 2 --out NAME
Two versions in turns: --systems faqtual,before --before DIR --rounds 5 --seconds 2 --out NAME
"""

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2

from app.settings import Settings
from benchmarks.places import CLOUD_FAQ, RESULTS
from benchmarks.serving import page
from benchmarks.serving.loads import Figures, closed_loop, open_loop
from benchmarks.serving.preparing import KEY, command, prepared
from benchmarks.serving.summary import ENCODER, HALF, REINDEX, SATURATED, ZIPF, distinct, summary, targets
from benchmarks.serving.systems import System, favour, services

Round = dict[str, dict[str, Figures]]  # figures by system and load

SYSTEMS = "faqtual,plain,infinity"
MEASURED_HALF = ("faqtual", "before")  # at half of their saturating rate


def main() -> None:
    """Start everything, take turns, write."""
    options = _options()
    favour()
    settings = prepared(options.data, options.work)
    started, rounds = time.perf_counter(), list[Round]()
    with ExitStack() as stack:
        systems = [stack.enter_context(system) for system in services(settings, options)]
        first = systems[0]
        for number in range(options.rounds):
            rounds.append(one_round(systems, options, settings))
            print(f"round {number + 1} of {options.rounds}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
            write(rounds, options.out)
        if options.reindex:
            rounds[-1][first.name][REINDEX] = during_reindex(first, options, rounds[-1])
            write(rounds, options.out)
    print((RESULTS / f"{options.out}.md").read_text(encoding="utf-8"))


def write(rounds: list[Round], name: str) -> None:
    """Write the results of the rounds so far."""
    medians = summary(rounds)
    report = {
        "medians": medians,
        "targets": targets(medians),
        "rounds": rounds,
        "load_average": os.getloadavg()[1],  # of five minutes; above what this itself makes: others were at work
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(page.table(report, name), encoding="utf-8")
    page.plot(report, RESULTS / f"{name}.png")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=CLOUD_FAQ)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-serving"))
    parser.add_argument("--systems", default=SYSTEMS, help="which, with commas; the first one's targets are compared")
    parser.add_argument("--infinity", type=Path, help="a virtual environment with infinity-emb[server,torch]")
    parser.add_argument("--before", type=Path, help="a checkout of another version, for the system `before`")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="of each load; the slow need them")
    parser.add_argument("--clients", default="1,8,64,256", help="of the closed loops, with commas")
    parser.add_argument("--reindex", action="store_true", help="also ask while a release is built")
    parser.add_argument("--out", default="serving", help="name of the results")
    options = parser.parse_args()
    options.systems, options.clients = options.systems.split(","), [int(count) for count in options.clients.split(",")]
    if "infinity" in options.systems and options.infinity is None:
        print("infinity: left out, as --infinity names no virtual environment", file=sys.stderr)
        options.systems.remove("infinity")
    return options


def one_round(systems: list[System], options: argparse.Namespace, settings: Settings) -> Round:
    """Every system at every level of load, in turns; the order changes so that none always follows another's heat."""
    figures: Round = {system.name: {} for system in systems}
    for clients in options.clients:
        for system in systems:
            # the slow need seconds for each answer
            seconds = options.seconds * (1 if clients <= SATURATED else 2)
            figures[system.name][distinct(clients)] = closed_loop(
                system, options.work / "distinct.jsonl", clients, seconds
            )
    for system in systems:
        loads = figures[system.name]
        bodies = options.work / "zipf.jsonl"  # the common ones have been asked before
        loads[ZIPF] = closed_loop(system, bodies, SATURATED, options.seconds, warm=options.seconds)
        saturated = loads.get(distinct(SATURATED))
        if saturated and system.name in MEASURED_HALF:
            rate = saturated["per_s"] / 2
            loads[HALF] = open_loop(system, options.work / "distinct.txt", rate, options.seconds)
    figures[ENCODER] = {"alone": _encoder(settings, options.work, len(options.clients))}
    systems.reverse()
    return figures


def _encoder(settings: Settings, work: Path, skip: int) -> Figures:
    """The encoder and the index alone, in a process of their own."""
    arguments = [str(settings.home), str(work / "distinct.txt"), "--skip", str(skip)]
    code = [sys.executable, "-m", "benchmarks.serving.encoder", *arguments]
    ran = subprocess.run(code, check=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    figures: Figures = json.loads(ran.stdout)
    return figures


def during_reindex(system: System, options: argparse.Namespace, before: Round) -> Figures:
    """Half the saturating rate while a release with every fifth answer changed is built."""
    settings = Settings(home=options.work / "home")
    rows = [json.loads(line) for line in options.data.read_text(encoding="utf-8").splitlines()]
    for row in rows[::5]:
        row["answer"] += " This answer was reviewed this year."
    changed = options.work / "changed.jsonl"
    changed.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    command("app", "import", str(changed), "--mode", "replace", settings=settings)
    client = httpx2.Client(base_url=system.url.removesuffix("/v1/ask"), headers={"X-API-Key": KEY}, trust_env=False)
    job = client.post("/v1/admin/reindex").raise_for_status().headers["Location"]
    time.sleep(2)  # its process has started then, and encodes
    rate = before[system.name][distinct(SATURATED)]["per_s"] / 2
    figures = open_loop(system, options.work / "distinct.txt", rate, options.seconds)
    client.post(f"{job}/cancel")
    return figures


if __name__ == "__main__":
    main()
