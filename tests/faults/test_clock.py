"""The wall clock jumps, for the whole of a real process: nothing that waits, counts or forgets goes by it."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from app.jobs.jobs import Jobs
from app.knowledge.store import Store
from app.settings import Rate, Settings
from tests.faults.power import compiled
from tests.faults.service import Service, service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="moving the clock takes a C compiler"),
]
HOUR = 3600


def ended(running: Service, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = {}

    def has_ended() -> bool:
        job.update(running.client.get(f"/v1/admin/jobs/{job_id}").json())
        return job["status"] not in ("queued", "running")

    running.wait(has_ended)
    return job


def test_the_clock_jumps_while_it_serves(published: Settings, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    settings = published.model_copy(update={"rate_limit_address": Rate.of("600/second")})
    preload = {"LD_PRELOAD": str(compiled("clock.c", tmp_path)), "FAULTS_CLOCK": str(clock)}
    with service(settings, preload=preload) as running:
        today = ended(running, running.client.post("/v1/admin/reindex").json()["job_id"])
        for jump in (24 * HOUR, -24 * HOUR, 0):
            clock.write_text(str(jump))
            for _ in range(5):
                assert running.ask().status_code == 200
            time.sleep(0.6)
            assert running.client.get("/readyz").status_code == 200
            response = running.client.post("/v1/admin/reindex")
            assert response.status_code == 202, response.text
            job = ended(running, response.json()["job_id"])
            assert job["status"] == "succeeded", job
            assert (job["created_at"] > today["created_at"]) == (jump >= 0)
        assert running.terminate() == 0


def test_a_job_that_died_before_the_clock_was_set_back_blocks_nobody(settings: Settings) -> None:
    store = Store.open(settings.sqlalchemy_url)
    try:
        jobs = Jobs(store.database)
        dead = jobs.queue("reindex")
        with store.database.write() as connection:
            connection.exec_driver_sql("UPDATE jobs SET lease_until = lease_until + 3600")
        assert jobs.queue("reindex").status == "queued"
        assert jobs.get(dead.job_id).status == "failed"
    finally:
        store.close()
