"""Edits over HTTP that answer by themselves, made by the warm worker."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from app.jobs.jobs import Jobs
from app.knowledge.publication import moment
from app.knowledge.store import Store
from app.knowledge.tables import utc_now
from app.releases import turns
from app.releases.updater import TOGETHER_S
from app.releases.worker import Worker
from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.service import checked_client
from tests.waiting import PATIENCE_S, wait_until

ENTRY, LINES = "/v1/admin/entry", {"Content-Type": "application/jsonl"}
QUESTION = "When will I get my refund?"


@pytest.fixture
def home(published: Settings) -> Settings:
    return published.model_copy(update={"auto_reindex": "edits"})


@pytest.fixture
def client(home: Settings) -> Iterator[TestClient]:
    with checked_client(home) as client:
        client.headers["X-API-Key"] = ADMIN_KEY
        yield client


def answer(client: TestClient, question: str = QUESTION) -> str:
    reply = client.post("/v1/ask", json={"question": question, "min_confidence": 0}).json()
    return str(reply["answers"][0]["answer"])


def edit(client: TestClient, text: str) -> httpx2.Response:
    return client.patch(ENTRY, params={"id": "refund"}, json={"answer": text}, headers={"If-Match": "*"})


def status(client: TestClient) -> dict[str, Any]:
    reply: dict[str, Any] = client.get("/v1/admin/status").json()
    return reply


def jobs(client: TestClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get("/v1/admin/jobs").json()["jobs"]
    return listed


def test_an_edit_answers_by_itself_and_the_next_ones_are_one_update_of_the_same_process(client: TestClient) -> None:
    assert edit(client, "Within six days.").status_code == 200
    wait_until(lambda: answer(client) == "Within six days.")
    worker, start = worker_process(), time.monotonic()
    for number in range(5):
        edit(client, f"Edition {number}.")
    created = client.post("/v1/admin/entries", json={"question": "Do you sell turnips?", "answer": "On Mondays."})
    assert created.status_code == 201
    spent_s = time.monotonic() - start
    wait_until(lambda: answer(client) == "Edition 4." and answer(client, "Do you sell turnips?") == "On Mondays.")
    wait_until(lambda: not status(client)["pending"]["entries"])
    kinds = [(job["kind"], job["status"]) for job in jobs(client)]
    assert kinds == [("update", "succeeded")] * len(kinds)
    assert 2 <= len(kinds) <= 4 + spent_s / TOGETHER_S
    assert worker_process() == worker


def test_what_an_import_brought_waits_for_a_reindex_although_an_edit_answers(client: TestClient) -> None:
    line = '{"id": "delivery", "question": "What is the delivery fee?", "answer": "Ten euros."}'
    assert client.post("/v1/admin/entries/import", content=line, headers=LINES).status_code == 200
    edit(client, "Within six days.")
    wait_until(lambda: answer(client) == "Within six days.")
    assert answer(client, "What is the delivery fee?") == "Delivery is free above 50 euros."
    line = line.replace("Ten", "Nine")
    sent = client.post("/v1/admin/entries/import", params={"reindex": True}, content=line, headers=LINES)
    assert sent.status_code == 200
    wait_until(lambda: answer(client, "What is the delivery fee?") == "Nine euros.")


def test_validity_that_ends_and_begins_makes_a_release(client: TestClient) -> None:
    soon = moment(utc_now() + timedelta(seconds=4))
    changed = client.patch(ENTRY, params={"id": "refund"}, json={"valid_until": soon}, headers={"If-Match": "*"})
    assert changed.status_code == 200
    later = {"question": QUESTION, "answer": "The new rules apply.", "valid_from": soon}
    assert client.post("/v1/admin/entries", json=later).status_code == 201
    assert answer(client) == "Within five days of the return." or moment(utc_now()) >= soon
    wait_until(lambda: status(client)["pending"]["next_validity"] is not None or moment(utc_now()) >= soon)
    wait_until(lambda: answer(client) == "The new rules apply.")
    assert moment(utc_now()) >= soon
    wait_until(lambda: not any(status(client)["pending"][name] for name in ("entries", "validity", "next_validity")))


def test_a_service_that_starts_makes_what_another_one_stored_and_validity_that_it_slept_over(home: Settings) -> None:
    store = Store.open(home.sqlalchemy_url)
    with store.edit("ann") as editor:
        editor.change("refund", lambda entry: entry.model_copy(update={"answer": "Within six days."}), "*")
        past = moment(utc_now() - timedelta(days=1))
        editor.change("delivery", lambda entry: entry.model_copy(update={"valid_until": past}), "*")
    store.close()
    with checked_client(home) as client:
        client.headers["X-API-Key"] = ADMIN_KEY
        wait_until(lambda: answer(client) == "Within six days.")
        assert answer(client, "What is the delivery fee?") != "Delivery is free above 50 euros."


def test_a_worker_that_dies_is_a_failed_job_and_the_next_job_starts_another(client: TestClient) -> None:
    def reindexed(meanwhile: Callable[[], None] = lambda: None) -> tuple[str, str]:
        job_id = client.post("/v1/admin/reindex").json()["job_id"]
        meanwhile()
        wait_until(lambda: jobs(client)[0]["status"] not in ("queued", "running"))
        job = client.get(f"/v1/admin/jobs/{job_id}").json()
        return job["status"], str(job["error"])

    assert reindexed()[0] == "succeeded"
    worker = worker_process()
    os.kill(worker, signal.SIGSTOP)
    assert reindexed(lambda: os.kill(worker, signal.SIGKILL)) == ("failed", "The worker ended with exit status -9.")
    assert reindexed()[0] == "succeeded"
    assert worker_process() != worker


@pytest.mark.anyio
async def test_a_worker_without_jobs_ends_after_a_while(published: Settings) -> None:
    store = Store.open(published.sqlalchemy_url)
    worker = Worker(published, Jobs(store.database), idle_s=0.1)
    try:
        job = await worker.start()
        await worker.ended(job.job_id)
        process = worker_process()
        await asyncio.to_thread(wait_until, lambda: not Path(f"/proc/{process}").exists())
        assert Jobs(store.database).get(job.job_id).status == "succeeded"
    finally:
        await worker.close()
        store.close()


def worker_process() -> int:
    """The process that builds, a child of this one."""
    listed = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "app.releases.warm"], capture_output=True, check=True
    )
    return int(listed.stdout)


def test_a_reindex_waits_for_the_update_under_way_and_is_refused_no_more(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "UPDATE_S", PATIENCE_S)
    edit(client, "Within six days.")
    wait_until(lambda: bool(jobs(client)))
    assert jobs(client)[0]["kind"] == "update"
    reindex = client.post("/v1/admin/reindex")
    assert reindex.status_code == 202
    wait_until(lambda: jobs(client)[0]["status"] == "succeeded")
    assert jobs(client)[0]["job_id"] == reindex.json()["job_id"]


def test_nothing_answers_by_itself_where_that_is_off(published: Settings) -> None:
    with checked_client(published) as client:
        client.headers["X-API-Key"] = ADMIN_KEY
        edit(client, "Within six days.")
        time.sleep(1)
        pending = status(client)["pending"]
        assert (pending["auto_reindex"], pending["entries"], pending["everything"]) == ("off", 1, False)
        assert pending["since"] is not None
        assert jobs(client) == []


def test_two_editors_of_one_entry_win_one_version_each(client: TestClient) -> None:
    """Both send the tag that they read: exactly one of them writes each version, the other one reads again."""
    outcomes: list[int] = []

    def write(name: str) -> None:
        won = 0
        while won < 10:
            tag = client.get(ENTRY, params={"id": "refund"}).json()["etag"]
            sent = client.patch(
                ENTRY, params={"id": "refund"}, json={"answer": f"{name} {won}"}, headers={"If-Match": tag}
            )
            outcomes.append(sent.status_code)
            won += sent.status_code == 200

    editors = [Thread(target=write, args=(name,)) for name in ("Ann", "Ben")]
    for editor in editors:
        editor.start()
    for editor in editors:
        editor.join()
    history = client.get(f"{ENTRY}/history", params={"id": "refund"}).json()
    assert history["total"] == 1 + outcomes.count(200) == 21
    assert set(outcomes) <= {200, 412}
    written = [version["differences"][0]["after"] for version in history["versions"][:-1]]
    assert sorted(written) == sorted(f"{name} {number}" for name in ("Ann", "Ben") for number in range(10))
    wait_until(lambda: answer(client) == written[0])
