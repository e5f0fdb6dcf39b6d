"""Kills a real process at many points of imports, reindexes, activations and edits; counts what was lost.

    python -m benchmarks.faults [--points N] [--edits N] [--cuts N] [--seed N] [--add]

Every process is a fork of one that has loaded the application, so that a point costs a second and not ten: it runs the
command as `python -m app` would and ends itself with SIGKILL at the n-th call or return inside the code that matters
(tests/faults/kill.py). One home is killed over and over: what a kill leaves behind stays. After each the store must
hold exactly the old or the new entries, the active release must be exactly the old or the new one and hold every entry
of it, and the same command, run again, must succeed. `blocked` is a reindex that the golden questions refuse: the old
release must stay whatever happens. `--edits`: points over the edits of single entries, the increments that bring them
into the active release, and compactions; see tests/faults/edits.py. `--cuts`: likewise for power cuts, as
tests/faults/power.py
simulates them. Another seed takes other points; `--add` adds to the results that there are. Writes
benchmarks/results/faults.json and .md.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from app.golden.questions import GoldenStore, NewQuestion
from app.knowledge.entry import Entry
from app.knowledge.files import write_entries
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.settings import Settings
from benchmarks.edit_faults import edited
from benchmarks.places import RESULTS
from tests import bundles
from tests.conftest import fill, publish_home
from tests.faults.edits import KINDS, Killed, in_child
from tests.faults.kill import watched
from tests.faults.power import recorded

ENTRIES = 200  # four batches of a build
COMMANDS = ("import", "reindex", "activate", "blocked")
QUESTION = "When will I get my refund?"

State = dict[str, Any]  # the editions of what is stored and of what is answered, and the release that answers


def main() -> None:
    """Sweep, count, write; exit status 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=210, help="kill points over the four commands")
    parser.add_argument("--edits", type=int, default=210, help="over edits, increments and compactions")
    parser.add_argument("--cuts", type=int, default=40, help="power cuts over import and reindex")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--add", action="store_true", help="to the results of an earlier run")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        sweep = Sweep(Path(work), random.Random(options.seed))
        commands = COMMANDS if options.points else ()
        rows = {command: sweep.killed(command, options.points // len(COMMANDS)) for command in commands}
        if options.edits:
            killed = Killed(Path(work) / "edits")
            rows |= {kind: edited(killed, kind, options.edits // 3, options.seed) for kind in KINDS}
        for command in ("import", "reindex"):
            if options.cuts and shutil.which("cc"):
                rows[f"{command}, power cut"] = sweep.cut(command, options.cuts // 2)
    wall_s, cpu_s = round(time.perf_counter() - started), round(sum(os.times()[:4]))
    report: dict[str, Any] = {"rows": rows, "wall_s": wall_s, "cpu_s": cpu_s}
    if options.add:
        report = added(json.loads((RESULTS / "faults.json").read_text(encoding="utf-8")), report)
    write(report)
    if any(row["wrong"] for row in report["rows"].values()):
        sys.exit(1)


class Sweep:
    """One FAQ_HOME and two bundles, and commands that always have something to change."""

    def __init__(self, work: Path, random: random.Random) -> None:
        self._work = work
        self._random = random
        self._number = 0
        self._settings = Settings(home=work / "home")
        self._bundles = [bundles.make(work / f"bundle-{seed}", seed) for seed in (0, 1)]
        os.environ.update(self._settings.environment())
        in_child(self._release)
        in_child(self._make_golden)

    def killed(self, command: str, points: int) -> dict[str, Any]:
        """Kill `command` at so many points, one at random in each of as many equal parts of its events."""
        arguments, _ = self._prepare(command)
        events = in_child(partial(watched, arguments, 0))[1]
        outcomes: Counter[str] = Counter()
        wrong: list[str] = []
        for point in range(points):
            arguments, before = self._prepare(command)
            at = 1 + int(events * (point + self._random.random()) / points)
            died = in_child(partial(watched, arguments, at)) is None
            outcome = self._judge(command, before) if died else "ended first"
            outcomes[outcome.partition(":")[0]] += 1
            if outcome.startswith("wrong"):
                wrong.append(f"event {at}: {outcome}")
            status, _ = in_child(partial(watched, arguments, 0))
            if (status, self._judge(command, before)) != ((2, "old") if command == "blocked" else (0, "new")):
                wrong.append(f"event {at}: run again, the command gives {status}")
        return {"events": events, "points": points, "outcomes": dict(outcomes), "wrong": wrong}

    def cut(self, command: str, cuts: int) -> dict[str, Any]:
        """Cut the power at so many moments of one run of `command`."""
        arguments, before = self._prepare(command)
        recording = recorded(
            self._settings.home, ["app", *arguments], self._settings.environment(), self._work / f"cuts-{command}"
        )
        last, home = len(recording.moments) - 1, self._settings.home
        outcomes: Counter[str] = Counter()
        wrong: list[str] = []
        for moment in sorted({last * cut // (cuts - 1) for cut in range(cuts)}):
            recording.restore(moment, self._work / "cut")
            self._settings = self._settings.model_copy(update={"home": self._work / "cut"})
            outcome = self._judge(command, before)
            if moment == last and outcome != "new":
                outcome = "wrong: what was acknowledged is lost"
            outcomes[outcome.partition(":")[0]] += 1
            if outcome.startswith("wrong"):
                wrong.append(f"moment {moment}: {outcome}")
            shutil.rmtree(self._settings.home)
            self._settings = self._settings.model_copy(update={"home": home})
        return {"events": last + 1, "points": sum(outcomes.values()), "outcomes": dict(outcomes), "wrong": wrong}

    def _prepare(self, command: str) -> tuple[list[str], State]:
        """The command's arguments, and what the home holds before it."""
        self._number += 1
        bundle = str(self._bundles[self._number % 2].directory)
        if command == "import":
            write_entries(edition(self._number), self._work / "edition.jsonl")
            return ["import", str(self._work / "edition.jsonl"), "--mode", "replace"], self._look()
        if command == "reindex":
            in_child(lambda: fill(self._settings, edition(self._number)))
            return ["reindex", "--bundle", bundle], self._look()
        if command == "blocked":
            in_child(lambda: fill(self._settings, edition(-self._number)))
            return ["reindex", "--bundle", bundle], self._look()
        in_child(self._release)
        return ["releases", "activate", in_child(lambda: asyncio.run(previous(self._settings)))], self._look()

    def _release(self) -> None:
        fill(self._settings, edition(self._number))
        publish_home(self._settings, self._bundles[self._number % 2])

    def _make_golden(self) -> None:
        store = Store.open(self._settings.sqlalchemy_url)
        GoldenStore(store.database).take([NewQuestion(QUESTION, "refund")])
        store.close()

    def _look(self) -> State:
        state: State = in_child(lambda: asyncio.run(look(self._settings)))
        return state

    def _judge(self, command: str, before: State) -> str:
        """`old`, `new`, or what is wrong."""
        try:
            after = self._look()
        except RuntimeError as error:
            return f"wrong: {error}"
        changed = after["release"] != before["release"]
        if command == "import" and (changed or after["answered"] != before["answered"]):
            return "wrong: an import changed the answers"
        if command == "import":
            return {before["stored"]: "old", self._number: "new"}.get(after["stored"], "wrong: a third edition")
        if after["stored"] != before["stored"]:
            return "wrong: the store changed"
        if command == "blocked" and changed:
            return "wrong: a blocked release is active"
        if changed == (after["answered"] == before["answered"]):
            return "wrong: the answer is not the release's"
        return "new" if changed else "old"


def edition(number: int) -> list[Entry]:
    """A FAQ all of whose answers tell which edition it is; so does the number of its entries."""
    rest = [
        Entry(id=f"e{i}", question=f"Question {i} of all?", answer=f"Edition {number}, {i}.") for i in range(ENTRIES)
    ]
    more = [Entry(id=f"x{i}", answer=f"Passage {i}, edition {number}.") for i in range(abs(number) % 7)]
    question = QUESTION if number >= 0 else "What is a gift?"
    return [Entry(id="refund", question=question, answer=f"Edition {number}."), *rest, *more]


async def look(settings: Settings) -> State:
    """What is stored and what is answered, each required to be one edition, whole. Raises ValueError if it is not."""
    store = Store.open(settings.sqlalchemy_url)
    entries = list(store.entries())
    store.close()
    stored = edition_of(entries[0].answer)
    if entries != edition(stored):
        raise ValueError(f"the store is a mixture, {len(entries)} entries")
    catalog = Catalog(settings)
    answerer = await catalog.open(str(await catalog.active()))
    index = answerer.index
    texts = {entry.payload["answer"] for entry in await index.sample(index.record.entries)}
    (answered,) = await answerer.ask([QUESTION], top_k=1)
    number = edition_of(answered.answers[0].answer)
    held = await index.count(), texts
    await answerer.close()
    await catalog.close()
    wanted = edition(number)
    if held != (len(wanted), {entry.answer for entry in wanted}):
        raise ValueError(f"the release is a mixture: {held[0]} entries instead of {len(wanted)}")
    return {"stored": stored, "answered": number, "release": answerer.release}


def edition_of(answer: str) -> int:
    """The number in "Edition 7."."""
    return int(answer.removeprefix("Edition ").removesuffix("."))


async def previous(settings: Settings) -> str:
    """The release to go back to."""
    catalog = Catalog(settings)
    (name,) = [release.record.name for release in await catalog.releases() if release.previous]
    await catalog.close()
    return name


def added(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Both runs as one."""
    rows = {name: dict(row) for name, row in before["rows"].items()}
    for name, row in now["rows"].items():
        first = rows.setdefault(name, {"points": 0, "outcomes": {}, "wrong": []})
        outcomes = Counter(first["outcomes"]) + Counter(row["outcomes"])
        points, wrong = first["points"] + row["points"], first["wrong"] + row["wrong"]
        rows[name] = {"events": row["events"], "points": points, "outcomes": dict(outcomes), "wrong": wrong}
    return {"rows": rows, **{name: before[name] + now[name] for name in ("wall_s", "cpu_s")}}


def write(report: dict[str, Any]) -> None:
    """The counts as JSON and as a table."""
    rows = report["rows"]
    lines = [
        "# Killed and cut off",
        "",
        "| command | events in a run | points | old state | new state | lost or half-visible |",
    ]
    lines.append("|---|---|---|---|---|---|")
    for name, row in rows.items():
        old, new = (row["outcomes"].get(which, 0) for which in ("old", "new"))
        lines.append(f"| {name} | {row['events']:,} | {row['points']} | {old} | {new} | {len(row['wrong'])} |")
    points = sum(row["points"] for row in rows.values())
    lines += ["", f"{points} points, {report['wall_s']} s, {report['cpu_s']} s of CPU.", ""]
    lines += [f"- {name}: {what}" for name, row in rows.items() for what in row["wrong"]]
    (RESULTS / "faults.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "faults.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
