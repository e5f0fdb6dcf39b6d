"""Replicas on one PostgreSQL and one index server: one of them makes an edit answer, and all follow it.

The index server is the stand-in of `tests.faults.qdrant`.
"""

import time
from collections.abc import Callable

from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.jobs.jobs import Jobs
from app.knowledge.store import Store
from app.settings import Settings
from tests.conftest import ADMIN_KEY, FAQ, fill, publish_home
from tests.faults.stand_in import stand_in
from tests.service import checked_client


def wait(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(client: TestClient, text: str) -> bool:
    asked = {"question": "When will I get my refund?", "min_confidence": 0}
    return any(row["answer"] == text for row in client.post("/v1/ask", json=asked).json()["answers"])


def releases(store: Store) -> set[str | None]:
    """What the jobs made, once none is under way."""
    jobs = Jobs(store.database)
    wait(lambda: not any(job.status in ("queued", "running") for job in jobs.recent()))
    return {job.release for job in jobs.recent() if job.status == "succeeded"}


def test_one_of_two_replicas_makes_an_edit_answer_and_either_makes_what_a_third_one_left(
    settings: Settings, bundle: Bundle, postgres_url: str
) -> None:
    with stand_in() as qdrant:
        shared = {"database_url": postgres_url, "qdrant_url": qdrant.urls[0], "auto_reindex": "edits"}
        settings = settings.model_copy(update=shared)
        fill(settings, FAQ)
        publish_home(settings, bundle)
        store = Store.open(postgres_url)
        with checked_client(settings) as first, checked_client(settings) as second:
            headers = {"If-Match": "*", "X-API-Key": ADMIN_KEY}
            change = {"answer": "Within six days."}
            edited = first.patch("/v1/admin/entry", params={"id": "refund"}, json=change, headers=headers)
            assert edited.status_code == 200
            wait(lambda: answers(first, "Within six days.") and answers(second, "Within six days."))
            first_made = releases(store)
            assert len(first_made) == 1
            with store.edit("third") as editor:  # which dies before it says so
                editor.change("refund", lambda old: old.model_copy(update={"answer": "Within seven days."}), "*")
            wait(lambda: answers(first, "Within seven days.") and answers(second, "Within seven days."))
            assert len(releases(store) - first_made) == 1
        store.close()
