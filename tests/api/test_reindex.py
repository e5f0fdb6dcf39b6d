"""Reindexing, jobs and rollback over HTTP."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.jobs import lock
from app.knowledge.database import Database
from app.settings import Settings
from tests.conftest import ADMIN_KEY, FAQ, fill
from tests.service import checked_client, ended_job
from tests.waiting import wait_until

LINES = {"Content-Type": "application/jsonl"}


def test_reindex_publishes_an_import_and_activate_rolls_it_back(admin: TestClient) -> None:
    before = admin.post("/v1/ask", json={"question": "When will I get my refund?"}).json()
    new = json.dumps({"id": "refund", "question": "When will I get my refund?", "answer": "Within six days."})
    admin.post("/v1/admin/entries/import", content=new, headers=LINES)
    response = admin.post("/v1/admin/reindex")
    assert response.status_code == 202
    job_id = response.json()["job_id"]
    assert response.headers["Location"] == f"/v1/admin/jobs/{job_id}"
    assert response.json()["status"] == "queued"
    busy = admin.post("/v1/admin/reindex")
    assert busy.status_code == 409
    assert job_id in busy.json()["detail"]
    job = ended_job(admin, job_id)
    assert (job["status"], job["done"], job["total"], job["error"]) == ("succeeded", 4, 4, None)
    assert job["release"] != before["release"]
    wait_until(lambda: admin.post("/v1/ask", json={"question": "q"}).json()["release"] == job["release"])
    after = admin.post("/v1/ask", json={"question": "When will I get my refund?"}).json()
    assert after["answers"][0]["answer"] == "Within six days."
    releases = admin.get("/v1/admin/releases").json()["releases"]
    assert [(listed["release"], listed["active"], listed["previous"]) for listed in releases] == [
        (job["release"], True, False),
        (before["release"], False, True),
    ]
    rolled = admin.post(f"/v1/admin/releases/{before['release']}/activate")
    assert (rolled.status_code, rolled.json()["active"]) == (200, True)
    reply = admin.post("/v1/ask", json={"question": "When will I get my refund?"}).json()
    assert reply["answers"][0]["answer"] == "Within five days of the return."
    assert admin.get("/v1/admin/entries", params={"search": "six days"}).json()["entries"]


def test_activating_a_release_takes_the_lock_off_the_event_loop(
    admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PostgreSQL the lock is a call to the database, which may take seconds."""
    writer, on_the_loop = lock.writer, []

    @contextmanager
    def observed(home: Path, database: Database) -> Iterator[lock.Check]:
        on_the_loop.append(asyncio._get_running_loop() is not None)
        with writer(home, database) as check:
            yield check
        on_the_loop.append(asyncio._get_running_loop() is not None)

    monkeypatch.setattr(lock, "writer", observed)
    (release,) = admin.get("/v1/admin/releases").json()["releases"]
    assert admin.post(f"/v1/admin/releases/{release['release']}/activate").status_code == 200
    assert on_the_loop == [False, False]


def test_reindex_of_entries_in_postgresql(published: Settings, postgres_url: str) -> None:
    """The worker is a process of its own, which finds the job and the entries in the same database."""
    settings = published.model_copy(update={"database_url": postgres_url})
    fill(settings, FAQ[:2])
    with checked_client(settings) as client:
        client.headers["X-API-Key"] = ADMIN_KEY
        job = ended_job(client, client.post("/v1/admin/reindex").json()["job_id"])
        assert (job["status"], job["done"], job["total"], job["error"]) == ("succeeded", 2, 2, None)
        assert client.get("/v1/admin/entries", params={"search": "PASSWORD"}).json()["total"] == 1


def test_reindex_without_a_release_says_what_to_do(settings: Settings) -> None:
    with checked_client(settings) as client:
        response = client.post("/v1/admin/reindex", headers={"X-API-Key": ADMIN_KEY})
        assert (response.status_code, response.json()["code"]) == (409, "conflict")
        assert "`python -m app reindex --bundle DIR`" in response.json()["detail"]
        jobs = client.get("/v1/admin/jobs", headers={"X-API-Key": ADMIN_KEY}).json()
        assert jobs == {"jobs": []}


def test_reindex_reads_the_model_off_the_event_loop(admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[bool] = []
    load = Bundle.load

    def recorded(directory: Path) -> Bundle:
        loops.append(asyncio._get_running_loop() is not None)
        return load(directory)

    monkeypatch.setattr(Bundle, "load", recorded)
    assert admin.post("/v1/admin/reindex").status_code == 202
    assert loops == [False]


def test_a_job_that_fails_says_why(admin: TestClient, published: Settings) -> None:
    admin.post("/v1/admin/entries/import?mode=replace", content='{"answer": "only"}', headers=LINES)
    bundle = next((published.home / "models").iterdir())
    (bundle / "tokenizer.json").write_text("{}")
    response = admin.post("/v1/admin/reindex")
    assert response.status_code == 503
    assert "tokenizer.json is not the file" in response.json()["detail"]
    assert admin.post("/v1/ask", json={"question": "q"}).status_code == 200


def test_a_queued_job_can_be_canceled_once(admin: TestClient) -> None:
    job_id = admin.post("/v1/admin/reindex").json()["job_id"]
    assert admin.post(f"/v1/admin/jobs/{job_id}/cancel").json()["status"] == "canceled"
    second = admin.post(f"/v1/admin/jobs/{job_id}/cancel")
    assert second.status_code == 409
    assert ended_job(admin, job_id)["status"] == "canceled"
    assert admin.get("/v1/admin/jobs").json()["jobs"][0]["job_id"] == job_id


def test_unknown_jobs_and_releases_are_not_found(admin: TestClient) -> None:
    assert admin.get("/v1/admin/jobs/nobody").status_code == 404
    assert admin.post("/v1/admin/jobs/nobody/cancel").status_code == 404
    unknown = admin.post("/v1/admin/releases/faq-000000000000-000000000000/activate")
    assert unknown.status_code == 404
    assert admin.post("/v1/admin/releases/..%2F..%2Fetc/activate").status_code == 404
