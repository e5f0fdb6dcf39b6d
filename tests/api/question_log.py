"""The service with a question log, on SQLite and on PostgreSQL."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from app.encoding.bundle import Bundle
from app.http.security import digest_of
from app.keys import NamedKey
from app.settings import LogQuestions, Settings
from tests.conftest import ADMIN_KEY, FAQ, fill, publish_home
from tests.service import checked_client
from tests.waiting import PATIENCE_S

EDIT_KEY = "edit-key-of-the-tests"


ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


@contextmanager
def service(settings: Settings, mode: LogQuestions) -> Iterator[TestClient]:
    """A service with this setting; what it logged is in the database when the block ends."""
    with checked_client(settings.model_copy(update={"log_questions": mode})) as client:
        yield client


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def shared_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bundle: Bundle
) -> Iterator[Settings]:
    """A published FAQ whose store is of either kind; tests that change nothing else share it."""
    home = tmp_path_factory.mktemp("home")
    keys = (NamedKey("ann", "edit", digest_of(EDIT_KEY)),)
    settings = Settings(home=home, admin_keys=(digest_of(ADMIN_KEY),), keys=keys)
    if request.param == "sqlite":
        fill(settings, FAQ)
        publish_home(settings, bundle)
        yield settings
        return
    with request.getfixturevalue("postgres_server").database() as url:
        settings = settings.model_copy(update={"database_url": url})
        fill(settings, FAQ)
        publish_home(settings, bundle)
        yield settings


@pytest.fixture
def emptied(shared_settings: Settings) -> Settings:
    """The same, with an empty log."""
    engine = create_engine(shared_settings.sqlalchemy_url)
    with engine.begin() as connection:
        for table in (
            "questions",
            "feedback",
            "outcome_hours",
            "entry_days",
            "question_days",
            "question_groups",
            "reviews",
        ):
            connection.execute(text(f"DELETE FROM {table}"))
    engine.dispose()
    return shared_settings


@pytest.fixture
def redacting(emptied: Settings) -> Iterator[TestClient]:
    with service(emptied, "redacted") as client:
        yield client


def ask(client: TestClient, question: str = "When do I get my money back?", **options: object) -> dict[str, Any]:
    response = client.post("/v1/ask", json={"question": question, **options})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def questions(client: TestClient, expected: int, **params: str) -> list[dict[str, Any]]:
    """The logged questions, as soon as so many are there."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        client.delete("/v1/admin/questions", params={"session": "nobody"}, headers=ADMIN)  # writes what waits
        listed: list[dict[str, Any]] = client.get("/v1/admin/questions", params=params, headers=ADMIN).json()[
            "questions"
        ]
        if len(listed) == expected or time.monotonic() > deadline:
            return listed


def give(client: TestClient, reply: dict[str, Any], **fields: object) -> dict[str, Any]:
    """Give feedback with the token of a reply."""
    body = {"request_id": reply["request_id"], "token": reply["feedback_token"], "helpful": False, **fields}
    response = client.post("/v1/feedback", json=body)
    assert response.status_code == 200, response.text
    given: dict[str, Any] = response.json()
    return given
