"""Jobs: one at a time, their progress and their end."""

import threading

import pytest

from app.errors import Busy, Conflict, NotFound
from app.jobs.jobs import Canceled, Jobs
from tests.jobs.working import work_on
from tests.waiting import wait_until


def test_a_job_runs_and_succeeds(jobs: Jobs) -> None:
    queued = jobs.queue("reindex")
    assert (queued.status, queued.kind, queued.done, queued.total) == ("queued", "reindex", 0, 0)
    with jobs.work(queued.job_id) as work:
        assert jobs.get(queued.job_id).status == "running"
        work.report(2, 4)
        wait_until(lambda: jobs.get(queued.job_id).done == 2)
        work.report(4, 4)
        work.confirm()
        work.succeed("faq-a-b")
    ended = jobs.get(queued.job_id)
    assert (ended.status, ended.done, ended.total, ended.release, ended.error) == ("succeeded", 4, 4, "faq-a-b", None)
    assert jobs.recent() == [ended]


def test_one_job_at_a_time(jobs: Jobs) -> None:
    first = jobs.queue("reindex")
    for start in (jobs.queue, jobs.begin):
        with pytest.raises(Busy, match=rf"The job {first.job_id} \(reindex\) is queued") as refused:
            start("reindex")
        assert refused.value.job_id == first.job_id
    jobs.cancel(first.job_id)
    assert jobs.queue("reindex").status == "queued"


def test_several_that_begin_at_once_are_one_job(jobs: Jobs) -> None:
    outcomes: list[str] = []

    def begin() -> None:
        try:
            outcomes.append(jobs.queue("reindex").status)
        except Busy:
            outcomes.append("busy")

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy"] * 7 + ["queued"]


def test_a_job_that_fails_says_why(jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with pytest.raises(OSError, match="no space"), jobs.work(job.job_id):
        raise OSError("no space")
    assert (jobs.get(job.job_id).status, jobs.get(job.job_id).error) == ("failed", "no space")


def test_a_canceled_job_stops(jobs: Jobs) -> None:
    job = jobs.begin("reindex")

    def run() -> None:
        with jobs.work(job.job_id) as work:
            jobs.cancel(job.job_id)
            with pytest.raises(Canceled):
                work.confirm()
            work_on(work)

    with pytest.raises(Canceled, match=job.job_id):
        run()
    assert jobs.get(job.job_id).status == "canceled"
    with pytest.raises(Conflict, match="has been canceled"):
        jobs.cancel(job.job_id)
    with pytest.raises(Canceled), jobs.work(job.job_id):
        pytest.fail("a canceled job does not begin")


def test_a_job_canceled_too_late_has_succeeded(jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with jobs.work(job.job_id) as work:
        jobs.cancel(job.job_id)
        work.succeed("faq-a-b")
    assert jobs.get(job.job_id).status == "succeeded"


def test_an_unknown_job_is_not_found(jobs: Jobs) -> None:
    for use in (jobs.get, jobs.cancel):
        with pytest.raises(NotFound, match="There is no job nobody"):
            use("nobody")
