"""Which pages of other origins may ask."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.settings import Settings
from tests.service import checked_client

SHOP, OTHER = "https://shop.example", "https://other.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


@pytest.fixture
def client(published: Settings) -> Iterator[TestClient]:
    with checked_client(published.model_copy(update={"widget_origins": (SHOP,)})) as client:
        yield client


def test_a_page_of_a_listed_origin_may_ask(client: TestClient) -> None:
    allowed = client.options("/v1/ask", headers={"Origin": SHOP, **PREFLIGHT})
    assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    reply = client.post("/v1/ask", json={"question": "When will I get my refund?"}, headers={"Origin": SHOP})
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Access-Control-Allow-Credentials" not in reply.headers
    refused = client.post("/v1/ask", json={"question": ""}, headers={"Origin": SHOP})
    assert refused.status_code == 422
    assert refused.headers["Access-Control-Allow-Origin"] == SHOP  # so that the page can read why


def test_a_page_of_another_origin_may_not(client: TestClient) -> None:
    assert client.options("/v1/ask", headers={"Origin": OTHER, **PREFLIGHT}).status_code == 400
    reply = client.post("/v1/ask", json={"question": "When will I get my refund?"}, headers={"Origin": OTHER})
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("path", ["/v1/admin/entries", "/v1/admin/jobs", "/metrics", "/"])
def test_no_other_route_is_shared(client: TestClient, path: str) -> None:
    reply = client.get(path, headers={"Origin": SHOP})
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_without_origins_no_page_may_ask(published: Settings) -> None:
    with checked_client(published) as client:
        reply = client.post("/v1/ask", json={"question": "When will I get my refund?"}, headers={"Origin": SHOP})
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_the_script_may_be_loaded_by_any_page(client: TestClient) -> None:
    script = client.get("/widget.js")
    assert script.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert len(script.content) < 40_000


def test_a_listed_page_can_read_why_its_question_is_too_large(client: TestClient) -> None:
    refused = client.post(
        "/v1/ask", content=b" " * 300_000, headers={"Origin": SHOP, "Content-Type": "application/json"}
    )
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert refused.headers["Access-Control-Allow-Origin"] == SHOP
    assert refused.headers["X-Content-Type-Options"] == "nosniff"
