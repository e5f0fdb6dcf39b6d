"""What every response has, after an unexpected error too, and what the log says about it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.logs import JsonLines
from app.main import create_app
from app.settings import Settings

CALLERS = {"X-Request-ID": "theirs-1"}
ASKED = " ".join(["what", "the", "user", "asked"])  # a traceback quotes the source


async def fails() -> None:
    raise ZeroDivisionError(ASKED)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A service without a release, and with a route that fails."""
    app = create_app(settings)
    app.add_api_route("/v1/fails", fails)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The JSON lines of the root logger."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.root.addHandler(handler)
    yield stream
    logging.root.removeHandler(handler)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_an_unexpected_error_passes_through_all_middleware(client: TestClient) -> None:
    response = client.get("/v1/fails", headers=CALLERS)
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert response.json()["code"] == "internal_error"
    assert response.headers["X-Request-ID"] == "theirs-1"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert response.headers["Cache-Control"] == "no-store"
    assert 'faqtual_requests_total{route="/v1/fails",status="500"} 1.0' in client.get("/metrics").text


def test_a_json_log_line_has_our_request_id_and_the_callers(client: TestClient, log: io.StringIO) -> None:
    ours = client.get("/v1/fails", headers=CALLERS).json()["request_id"]
    (line,) = [line for line in lines(log) if line["level"] == "ERROR"]
    assert (line["request_id"], line["caller_request_id"]) == (ours, "theirs-1")
    assert "test_responses.py" in line["exception"]
    assert "ZeroDivisionError: (message withheld" in line["exception"]
    assert ASKED not in log.getvalue()


def test_a_json_log_line_without_a_request_has_no_request_id(log: io.StringIO) -> None:
    logging.getLogger("x").warning("two\nlines: %s", "ü")
    (line,) = lines(log)
    assert (line["level"], line["logger"], line["message"]) == ("WARNING", "x", "two\nlines: ü")
    assert not {"request_id", "caller_request_id", "exception"} & set(line)


def test_an_unacceptable_id_of_a_caller_is_not_in_the_log(client: TestClient, log: io.StringIO) -> None:
    client.get("/v1/fails", headers={"X-Request-ID": "not printable \x7f"})
    (line,) = [line for line in lines(log) if line["level"] == "ERROR"]
    assert "caller_request_id" not in line
