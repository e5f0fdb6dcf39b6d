"""Whose turn it is: what waits for an update that is under way, and what does not wait."""

import pytest

from app.errors import Busy
from app.jobs.jobs import Jobs
from app.knowledge.database import Database
from app.releases import turns
from app.releases.turns import REINDEX, UPDATE, patient


def test_an_update_that_ends_at_the_very_moment_refuses_nobody(database: Database) -> None:
    """It is under way when it is met, and over when somebody looks."""
    jobs = Jobs(database)
    update = jobs.begin(UPDATE)

    def begin() -> str:
        if jobs.get(update.job_id).status == "running":
            jobs.succeed(update.job_id, "faq-a-b", 4)
            raise Busy("an update is under way")
        return "begun"

    assert patient(jobs, begin) == "begun"


def test_the_lock_of_an_update_whose_job_has_ended_is_waited_for(database: Database) -> None:
    jobs = Jobs(database)
    update = jobs.begin(UPDATE)
    refusals = 0

    def begin() -> str:
        nonlocal refusals
        jobs.succeed(update.job_id, "faq-a-b", 4)
        refusals += 1
        if refusals < 4:
            raise Busy("the lock is not released yet")
        return "begun"

    assert patient(jobs, begin) == "begun"


@pytest.mark.parametrize("kind", [REINDEX, None])
def test_a_longer_job_and_no_job_are_not_waited_for(database: Database, kind: str | None) -> None:
    jobs, calls = Jobs(database), 0
    if kind:
        jobs.begin(kind)

    def begin() -> None:
        nonlocal calls
        calls += 1
        raise Busy("somebody else")

    with pytest.raises(Busy, match="somebody else"):
        patient(jobs, begin)
    assert calls == 1


def test_an_update_is_not_waited_for_without_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "UPDATE_S", 0.3)
    jobs = Jobs(database)
    jobs.begin(UPDATE)

    def begin() -> None:
        raise Busy("an update is under way")

    with pytest.raises(Busy):
        patient(jobs, begin)
