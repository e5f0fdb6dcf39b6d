"""Unanswered questions over HTTP: clusters, decisions, conflicts, and undoing."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.knowledge.store import Store
from app.questions.log import QuestionLog
from app.settings import Settings
from tests.api.question_log import (
    ADMIN,
    EDIT_KEY,
    emptied,
    questions,
    service,
    shared_settings,
)
from tests.conftest import FAQ, fill
from tests.questions import made

__all__ = ["emptied", "shared_settings"]
EDIT = {"Authorization": f"Bearer {EDIT_KEY}"}
URL = "/v1/admin/unanswered"
WOLVES = ["may a wolf send turnips", "may a wolf send a turnips", "a wolf may send turnips"]
SPAM = "turnip spam ping ping"


@pytest.fixture(scope="module")
def running(shared_settings: Settings) -> Iterator[TestClient]:
    """A service that keeps texts, for all tests of this file."""
    with service(shared_settings, "redacted") as client:
        yield client


@pytest.fixture
def asked(running: TestClient, emptied: Settings) -> TestClient:
    """The service, which was asked three questions about wolves, one of them twice, and another one."""
    texts = [*WOLVES, WOLVES[0].upper(), SPAM]
    assert running.post("/v1/ask/batch", json={"questions": texts}).status_code == 200
    questions(running, len(texts))
    return running


def clusters(client: TestClient, **params: str | int | bool) -> list[dict[str, Any]]:
    response = client.get(URL, params=params, headers=EDIT)
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json()["clusters"]
    return listed


def decide(client: TestClient, cluster: dict[str, Any], status: int = 200, **body: object) -> dict[str, Any]:
    response = client.post(f"{URL}/{cluster['id']}", json={"version": cluster["version"], **body}, headers=EDIT)
    assert response.status_code == status, response.text
    reply: dict[str, Any] = response.json()
    return reply


def ids(cluster: dict[str, Any]) -> list[str]:
    return [example["id"] for example in cluster["examples"]]


def entry(client: TestClient, entry_id: str) -> dict[str, Any]:
    entry: dict[str, Any] = client.get("/v1/admin/entry", params={"id": entry_id}, headers=EDIT).json()
    return entry


def test_the_life_of_a_cluster(asked: TestClient) -> None:
    wolves, spam = clusters(asked)
    assert (wolves["size"], wolves["times"], wolves["no_answer"] + wolves["ambiguous"]) == (3, 4, 4)
    assert wolves["examples"][0]["question"].lower() == WOLVES[0]
    assert wolves["status"] != "answered"
    assert wolves["nearest"][0]["confidence"] >= wolves["nearest"][-1]["confidence"]
    assert clusters(asked) == [wolves, spam]

    draft = decide(asked, spam, act="draft", questions=ids(spam))
    assert (entry(asked, draft["entry_id"])["state"], entry(asked, draft["entry_id"])["question"]) == ("draft", SPAM)
    assert clusters(asked) == [wolves]

    taught = decide(asked, wolves, act="alternatives", questions=ids(wolves)[:1], entry_id="passage")
    assert wolves["examples"][0]["question"] in entry(asked, "passage")["alternatives"]
    assert entry(asked, "passage")["etag"] == taught["etag"]
    assert "other questions" in decide(asked, wolves, 409, act="dismiss")["detail"].lower()
    (left,) = clusters(asked)
    decide(asked, left, 409, act="negatives", questions=ids(wolves), entry_id="passage")
    decide(asked, left, act="negatives", questions=ids(left)[:1], entry_id="passage")
    assert left["examples"][0]["question"] in entry(asked, "passage")["negatives"]

    (last,) = clusters(asked)
    dismissed = decide(asked, last, act="dismiss")
    assert clusters(asked) == []
    assert ids(clusters(asked, dismissed=True)[0]) == dismissed["questions"]
    decide(asked, last, 409, act="dismiss")
    reopened = asked.post(f"{URL}/reopen", json={"questions": dismissed["questions"]}, headers=EDIT)
    assert reopened.json() == {"questions": 1}
    assert clusters(asked) == [last]
    asked.post(f"{URL}/reopen", json={"questions": [*dismissed["questions"], *ids(wolves), *ids(spam)]}, headers=EDIT)


def test_pages_and_periods(asked: TestClient) -> None:
    response = asked.get(URL, params={"limit": 1}, headers=EDIT).json()
    assert (response["total"], len(response["clusters"]), response["notice"]) == (2, 1, None)
    following = clusters(asked, limit=1, after=response["next_after"])
    assert [*response["clusters"], *following] == clusters(asked)
    assert clusters(asked, start="2020-01-01T00:00:00Z", end="2020-02-01T00:00:00Z") == []
    assert asked.get(URL, params={"after": "x"}, headers=EDIT).status_code == 422


NONSENSE: list[dict[str, Any]] = [
    {"act": "dismiss", "questions": ["0" * 16]},
    {"act": "draft"},
    {"act": "alternatives", "questions": ["0" * 16]},
    {"act": "draft", "questions": ["0" * 16], "entry_id": "passage"},
    {"act": "dismiss", "answer": "x"},
    {"act": "draft", "questions": ["f" * 16]},
    {"act": "publish"},
]


def test_a_decision_that_is_not_possible_is_refused_and_changes_nothing(asked: TestClient) -> None:
    wolves = clusters(asked)[0]
    for body in NONSENSE:
        decide(asked, wolves, 422, **body)
    decide(asked, wolves, 404, act="negatives", questions=ids(wolves)[:1], entry_id="nowhere")
    decide(asked, wolves | {"id": "0" * 16}, 409, act="dismiss")
    assert clusters(asked)[0] == wolves


def test_decisions_are_audited(asked: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    spam = clusters(asked)[1]
    with caplog.at_level("INFO", logger="app.audit"):
        done = decide(asked, spam, act="dismiss")
        asked.post(f"{URL}/reopen", json={"questions": done["questions"]}, headers=EDIT)
    lines = [record.getMessage() for record in caplog.records if record.name == "app.audit"]
    assert f'key=ann act=unanswered dismiss target="{spam["id"]}"' in lines[0]
    assert "act=reopen questions" in lines[1]


def test_without_texts_the_list_says_how_to_keep_them(published: Settings) -> None:
    with service(published, "counts") as client:
        listed = client.get(URL, headers=ADMIN).json()
    assert listed["clusters"] == []
    assert "Set FAQ_LOG_QUESTIONS=redacted" in listed["notice"]


def test_before_anything_is_published_questions_stay_alone_and_can_be_decided_about(settings: Settings) -> None:
    fill(settings, FAQ)
    with closing(Store.open(settings.sqlalchemy_url)) as store:
        log = QuestionLog(store.database, "full")
        log.write([made.asked(n, text, "no_answer", (), at=time.time()) for n, text in enumerate(WOLVES)])
    with service(settings, "full") as client:
        client.headers.update(ADMIN)
        listed = client.get(URL).json()["clusters"]
        assert [cluster["size"] for cluster in listed] == [1, 1, 1]
        assert (listed[0]["status"], listed[0]["nearest"]) == (None, [])
        body = {"act": "draft", "version": listed[0]["version"], "questions": ids(listed[0])}
        drafted = client.post(f"{URL}/{listed[0]['id']}", json=body | {"answer": "Wolves may."})
        assert (
            client.get("/v1/admin/entry", params={"id": drafted.json()["entry_id"]}).json()["answer"] == "Wolves may."
        )
        assert client.get(URL).json()["total"] == 2
