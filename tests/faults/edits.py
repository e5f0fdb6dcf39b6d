"""Edits, increments and compactions that are killed at any moment, and what must hold after each.

One home is killed over and over; what a kill leaves behind stays. Every step is a fork of this process, which has
loaded the application. After a kill the store holds the old or the new entries, whole; the active release likewise; and
what is stored and not yet answered is marked as pending, so that the next update brings it.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Literal

from app.jobs.jobs import Jobs
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.knowledge.wishes import Wishes
from app.releases import increments
from app.releases.builder import Builder
from app.releases.catalog import Catalog
from app.releases.turns import UPDATE
from app.settings import Settings
from tests import bundles
from tests.conftest import fill, publish_home
from tests.faults.kill import watched_call

Kind = Literal["edit", "increment", "compaction"]
State = dict[str, Any]  # `stored` and `answered`: the numbers of the editions; `pending`: how many changes wait

KINDS: tuple[Kind, ...] = ("edit", "increment", "compaction")
ENTRIES = 40
QUESTION = "When will I get my refund?"


def edition(number: int) -> list[Entry]:
    """A FAQ of which every edition changes one entry, adds one and archives one."""
    rest = [Entry(id=f"e{i}", question=f"Question {i} of all?", answer=f"Answer {i}.") for i in range(ENTRIES)]
    added = Entry(id=f"x{number}", question=f"Question of edition {number}?", answer=f"Added by {number}.")
    return [Entry(id="refund", question=QUESTION, answer=f"Edition {number}."), *rest, added]


class Killed:
    """One FAQ_HOME whose editions follow each other."""

    def __init__(self, work: Path) -> None:
        self._number = 0
        self._settings = Settings(home=work / "home")
        bundle = bundles.make(work / "bundle")
        in_child(partial(fill, self._settings, edition(0)))
        in_child(partial(publish_home, self._settings, bundle))

    def events(self, kind: Kind) -> int:
        """How many events a run has that is not killed."""
        events = in_child(partial(watched_call, self._prepared(kind), 0))[1]
        self._finish(kind)
        return int(events)

    def kill(self, kind: Kind, at: int) -> str:
        """Kill a run at this event, and let the next one finish. Returns `old` or `new`, or begins with `wrong`."""
        died = in_child(partial(watched_call, self._prepared(kind), at)) is None
        outcome = self._judged(kind) if died else "ended first"
        self._finish(kind)
        after = self._look()
        if after != {"stored": self._number, "answered": self._number, "pending": 0}:
            return f"wrong: after the next run {after} instead of {self._number}"
        return outcome

    def _prepared(self, kind: Kind) -> Callable[[], None]:
        """The run that is to be killed, with what it needs before it."""
        self._number += 1
        run = partial(edit, self._settings, self._number)
        if kind == "edit":
            return run
        in_child(run)
        return partial(update, self._settings, kind == "compaction")

    def _judged(self, kind: Kind) -> str:
        try:
            state = self._look()
        except RuntimeError as error:
            return f"wrong: {error}"
        new, old = self._number, self._number - 1
        allowed = {
            "old": {"stored": old if kind == "edit" else new, "answered": old, "pending": 0 if kind == "edit" else 3},
            "new": {"stored": new, "answered": old if kind == "edit" else new},
        }
        if state == allowed["old"]:
            return "old"
        if {name: state[name] for name in ("stored", "answered")} == allowed["new"]:
            return "new" if kind != "edit" or state["pending"] == 3 else f"wrong: nothing is pending: {state}"
        return f"wrong: {state}"

    def _finish(self, kind: Kind) -> None:
        """What the next start of a service does: edit again if the edit was lost, fail the job, update."""
        if self._look()["stored"] != self._number:
            in_child(partial(edit, self._settings, self._number))
        in_child(partial(update, self._settings, False))

    def _look(self) -> State:
        state: State = in_child(lambda: asyncio.run(look(self._settings)))
        return state


def edit(settings: Settings, number: int) -> None:
    """The edits of one edition, in one transaction, as a batch over HTTP makes them."""
    with closing(Store.open(settings.sqlalchemy_url)) as store, store.edit("ann") as editor:
        editor.change("refund", lambda entry: entry.model_copy(update={"answer": f"Edition {number}."}), "*")
        editor.create(edition(number)[-1])
        editor.archive(f"x{number - 1}", "*")


def update(settings: Settings, compact: bool) -> None:
    """Run an update as the warm worker does, after the service has failed the job of a worker that was killed."""
    if compact:
        increments.COMPACT_LEAST = increments.COMPACT_SHARE = 0
    with closing(Store.open(settings.sqlalchemy_url)) as store:
        jobs = Jobs(store.database)
        for job in jobs.recent():
            jobs.fail(job.job_id, "The worker ended with exit status -9.")
        job_id = jobs.queue(UPDATE).job_id
    with closing(Builder(settings)) as builder:
        builder.run(job_id)


async def look(settings: Settings) -> State:
    """What is stored and what is answered, each required to be one edition, whole. Raises ValueError if it is not."""
    with closing(Store.open(settings.sqlalchemy_url)) as store:
        stored = {entry.id: entry.answer for entry in store.published()}
        pending = Wishes(store.database).pending()
    catalog = Catalog(settings)
    answerer = await catalog.open(str(await catalog.active()))
    index = answerer.index
    held = {entry.id: entry.payload["answer"] for entry in await index.sample(index.record.entries)}
    (reply,) = await answerer.ask([QUESTION], top_k=1)
    numbers = [edition_of(answers, name) for name, answers in (("store", stored), ("release", held))]
    if reply.answers[0].answer != f"Edition {numbers[1]}." or await index.count() != len(held):
        raise ValueError(f"the release of edition {numbers[1]} answers {reply.answers[0].answer}")
    await answerer.close()
    await catalog.close()
    return {"stored": numbers[0], "answered": numbers[1], "pending": pending.entries}


def edition_of(answers: dict[str, str], name: str) -> int:
    """The number of the edition that these answers, by id, are. Raises ValueError for a mixture."""
    number = int(answers["refund"].removeprefix("Edition ").removesuffix("."))
    wanted = {entry.id: entry.answer for entry in edition(number)}
    if answers != wanted:
        differing = sorted(key for key in {*answers, *wanted} if answers.get(key) != wanted.get(key))
        raise ValueError(f"the {name} is a mixture: {differing[:5]} are not of edition {number}")
    return number


def in_child(work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever `work` gives, as JSON
    """What `work` returns, from a fork; None if that was killed. Raises RuntimeError with its error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
        try:
            result = {"result": work()}
        except BaseException as error:
            result = {"error": repr(error)}
        with os.fdopen(writing, "w") as pipe:
            json.dump(result, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None
    told = json.loads(text)
    if "error" in told:
        raise RuntimeError(told["error"])
    return told["result"]
