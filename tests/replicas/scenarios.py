"""What happens to an installation while questions are asked, and what the askers notice of it."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from app.encoding.bundle import Bundle
from tests.replicas.installation import HEAL_S, REPLICAS, Installation
from tests.replicas.knowledge import questions
from tests.replicas.load import Asked, load, wait

FIRST, SECOND, THIRD = questions()[:3]  # those whose entries are edited


@dataclass(frozen=True)
class Scenario:
    """`happens` returns when the fault is over. `away`: whether Qdrant is away meanwhile."""

    name: str
    happens: Callable[[Installation, float], None]  # the second argument: for how many seconds something is away
    away: bool = False


@dataclass(frozen=True)
class Result:
    """What became of the questions of a scenario, and the seconds from the end of the fault until all is well."""

    scenario: str
    requests: int
    wrong: int
    failed: int
    in_flight: int  # failed requests that a killed process had received
    refused: int  # 503 with Retry-After
    heal_s: float
    reasons: tuple[str, ...]  # the first of the wrong and failed ones


def nothing(site: Installation, away_s: float) -> None:
    """Nothing happens."""
    time.sleep(away_s)


def another_model(site: Installation, away_s: float) -> None:
    """The other bundle is published: each replica pulls it, and exchanges model and index together."""
    site.publish(_other(site))


def rollback(site: Installation, away_s: float) -> None:
    """The release before an edit is activated at one replica, and then the newer one at another."""
    site.edit(0, SECOND)
    site.wait_until_seen(SECOND)
    newer = site.release(0)
    releases = site.service(0).client.get("/v1/admin/releases").json()["releases"]
    older = next(release["release"] for release in releases if release["previous"])
    with site.truth.rolled_back_to(older):
        for number, name in ((1, older), (2, newer)):
            activated = site.service(number).client.post(f"/v1/admin/releases/{name}/activate")
            assert activated.status_code == 200, activated.text
            site.wait_until_served(name)


def edits(site: Installation, away_s: float) -> None:
    """Each replica takes edits, also of one entry."""
    for number, question in ((0, FIRST), (1, SECOND), (2, FIRST)):
        site.edit(number, question)
        site.wait_until_seen(question)


def left_edit(site: Installation, away_s: float) -> None:
    """A replica stores an edit and dies before it does anything about it."""
    site.leave_edit(SECOND)


def rolling_restart(site: Installation, away_s: float) -> None:
    """Every replica ends with SIGTERM and is started again, one after the other."""
    for number in range(REPLICAS):
        site.terminate(number)
        site.start(number)


def killed_replica(site: Installation, away_s: float) -> None:
    """A replica is killed, and started again later."""
    site.kill(1)
    time.sleep(away_s)
    site.start(1)


def killed_worker(site: Installation, away_s: float) -> None:
    """The process that makes an edit answer is killed; the replica goes on."""
    site.edit(0, FIRST)
    site.wait_until_seen(FIRST)
    _kill_at_work(site, lambda: site.edit(0, SECOND), lambda: _workers(site))


def killed_machine(site: Installation, away_s: float) -> None:
    """A replica is killed with the process that is making its edit answer, and stays away."""
    site.edit(2, FIRST)
    time.sleep(0.2)
    site.kill(2, with_worker=True)
    site.edit(0, SECOND)
    time.sleep(away_s)
    site.start(2)


def killed_publisher(site: Installation, away_s: float) -> None:
    """`python -m app reindex` is killed while it builds with the other model."""
    publisher = site.publisher(_other(site))
    _kill_at_work(site, lambda: None, lambda: [publisher.pid])
    assert publisher.wait() == -signal.SIGKILL


def qdrant_away(site: Installation, away_s: float) -> None:
    """Qdrant is killed, and comes back with its state. An edit is taken meanwhile."""
    site.nodes.leave()
    time.sleep(away_s / 2)
    site.edit(0, FIRST)
    time.sleep(away_s / 2)
    site.nodes.come_back()


def postgres_away(site: Installation, away_s: float) -> None:
    """PostgreSQL is stopped right after an edit, and started again."""
    site.edit(0, FIRST)
    site.postgres.stop()
    time.sleep(away_s / 2)
    assert not site.try_edit(1, SECOND)
    time.sleep(away_s / 2)
    site.postgres.start()


SCENARIOS = (
    Scenario("nothing", nothing),
    Scenario("another model is published", another_model),
    Scenario("rollback, and forward again", rollback),
    Scenario("edits at each replica", edits),
    Scenario("an edit whose replica died", left_edit),
    Scenario("rolling restart", rolling_restart),
    Scenario("a replica is killed", killed_replica),
    Scenario("the writer of an edit is killed", killed_worker),
    Scenario("a replica and its writer are killed", killed_machine),
    Scenario("a publisher is killed in a build", killed_publisher),
    Scenario("Qdrant is away", qdrant_away, away=True),
    Scenario("PostgreSQL is away", postgres_away),
)


def run(site: Installation, scenario: Scenario, away_s: float, clients: int = 3, pause_s: float = 0.05) -> Result:
    """Have it happen under load, and wait until every replica answers what was edited before and after."""
    with load(site.urls, site.truth, clients, pause_s) as asking:
        start = time.monotonic()
        scenario.happens(site, away_s)
        over = time.monotonic()
        site.edit(1, THIRD)
        for question in (FIRST, SECOND, THIRD):
            site.wait_until_seen(question)
        healed = time.monotonic()
        time.sleep(0.2)  # what is asked now is answered by what has healed
    asked = asking.since(start)
    failed = [request for request in asked if request.outcome == "failed"]
    in_flight = [request for request in failed if _was_killed(site, request)]
    outcomes = [request.outcome for request in asked]
    bad = [
        request for request in asked if request.outcome == "wrong" or (request in failed and request not in in_flight)
    ]
    return Result(
        scenario.name,
        len(asked),
        outcomes.count("wrong"),
        len(failed) - len(in_flight),
        len(in_flight),
        outcomes.count("refused"),
        healed - over,
        tuple(f"replica {request.replica}: {request.reason}" for request in bad[:5]),
    )


def _was_killed(site: Installation, request: Asked) -> bool:
    """Whether a failed request was under way at a replica when that was killed."""
    return any(
        number == request.replica and request.started <= at for number, at in site.kills if at <= request.ended + 1
    )


def _other(site: Installation) -> Bundle:
    """The bundle that is not the one in use."""
    return next(bundle for bundle in site.bundles if f"-{bundle.revision}-" not in site.release(0))


def _workers(site: Installation) -> list[int]:
    return [pid for number in range(REPLICAS) for pid in site.workers(number)]


def _kill_at_work(site: Installation, begin: Callable[[], None], processes: Callable[[], list[int]]) -> None:
    """Kill the processes as soon as a job runs that `begin`, or somebody before, started."""
    begin()
    client = site.service(0).client

    def is_running() -> bool:
        return any(job["status"] == "running" for job in client.get("/v1/admin/jobs").json()["jobs"])

    wait(is_running, "a job runs", HEAL_S)
    for pid in processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
