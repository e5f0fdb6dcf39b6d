"""The route that completes what a user types."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.http.security import digest_of
from app.settings import Settings
from tests.service import checked_client

HEADERS = {"X-API-Key": "ask"}


@pytest.fixture
def closed(published: Settings) -> Iterator[TestClient]:
    with checked_client(published.model_copy(update={"ask_keys": (digest_of("ask"),)})) as client:
        yield client


def test_a_beginning_is_completed_to_questions_of_the_faq(client: TestClient) -> None:
    reply = client.get("/v1/suggest", params={"q": "refund", "limit": 1})
    assert reply.json() == {"questions": [{"faq_id": "refund", "question": "When will I get my refund?"}]}
    assert client.get("/v1/suggest", params={"q": "  "}).json() == {"questions": []}


@pytest.mark.parametrize(("params", "field"), [({}, "q"), ({"q": "x" * 1001}, "q"), ({"q": "a", "limit": 0}, "limit")])
def test_a_wrong_parameter_is_named(params: dict[str, str], field: str, client: TestClient) -> None:
    problem = client.get("/v1/suggest", params=params)
    assert problem.status_code == 422
    assert field in problem.json()["errors"][0]["field"]


def test_completions_need_the_key_that_asking_needs(closed: TestClient) -> None:
    assert closed.get("/v1/suggest", params={"q": "refund"}).status_code == 401
    assert closed.get("/v1/suggest", params={"q": "refund"}, headers=HEADERS).status_code == 200
