"""A full queue, a deadline that passes, and a client that disconnects: what happens, and what is counted."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx2
import pytest
import uvicorn
from fastapi.testclient import TestClient
from tokenizers import Encoding as Tokens

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.main import create_app
from app.settings import Settings
from tests.bundles import VOCABULARY
from tests.conftest import FAQ, fill, publish_home
from tests.service import checked_client
from tests.waiting import wait_until

QUESTION = {"question": "When will I get my refund?"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("home"), port=0, admin_keys=("a" * 64,), queue_limit=32)
    fill(settings, FAQ)
    publish_home(settings, bundle)
    return settings


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Encoders wait while it is closed; the teardown opens it."""
    gate = Event()
    gate.set()
    read = Encoder.tokenize

    def waiting(self: Encoder, questions: Sequence[str]) -> list[Tokens]:
        assert gate.wait(10)
        return read(self, questions)

    monkeypatch.setattr(Encoder, "tokenize", waiting)
    yield gate
    gate.set()


@pytest.fixture
def client(home: Settings, gate: Event) -> Iterator[TestClient]:
    with checked_client(home) as client:
        yield client


def figure(client: httpx2.Client, name: str) -> float:
    (line,) = (line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name} "))
    return float(line.split()[-1])


def until(client: httpx2.Client, name: str, value: float) -> None:
    wait_until(lambda: figure(client, name) == value, every=0.01)


def test_a_full_queue_refuses_questions_at_once(client: TestClient, gate: Event) -> None:
    gate.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/v1/ask/batch", json={"questions": [f"refund {i}" for i in range(31)]})
        until(client, "faqtual_questions_under_way", 31)
        second = pool.submit(client.post, "/v1/ask", json=QUESTION)
        until(client, "faqtual_questions_under_way", 32)
        for path, body in (("/v1/ask", QUESTION), ("/v1/ask/batch", {"questions": ["gift", "wolf"]})):
            refused = client.post(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
            assert int(refused.headers["Retry-After"]) > 0
        gate.set()
        assert first.result().status_code == second.result().status_code == 200
    assert figure(client, "faqtual_refused_total") == 3
    assert figure(client, "faqtual_questions_under_way") == 0
    assert client.post("/v1/ask", json=QUESTION).status_code == 200


@pytest.mark.parametrize(("path", "body"), [("/v1/ask", QUESTION), ("/v1/ask/batch", {"questions": ["gift", "wolf"]})])
def test_the_work_ends_when_the_deadline_passes(
    client: TestClient, gate: Event, path: str, body: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.clear()
    encoded: list[int] = []
    vectors = Encoder.embed

    def counted(self: Encoder, tokens: Sequence[Tokens]) -> Vectors:
        encoded.append(len(tokens))
        return vectors(self, tokens)

    monkeypatch.setattr(Encoder, "embed", counted)
    with ThreadPoolExecutor(1) as pool:
        blocking = pool.submit(client.post, "/v1/ask/batch", json={"questions": VOCABULARY[:16]})
        until(client, "faqtual_questions_under_way", 16)
        late = client.post(path, json=body, headers={"X-Request-Timeout-Ms": "50"})
        assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
        assert "within 50 ms" in late.json()["detail"]
        gate.set()
        assert blocking.result().status_code == 200
    assert figure(client, "faqtual_expired_total") == len(body.get("questions", [1]))  # type: ignore[arg-type]
    assert sum(encoded) == 16  # the sixteen of the first request only


@pytest.mark.parametrize("value", ["0", "-5", "soon", "60001", "1.5"])
def test_an_invalid_deadline_is_refused(client: TestClient, value: str) -> None:
    refused = client.post("/v1/ask", json=QUESTION, headers={"X-Request-Timeout-Ms": value})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"].lower() == "x-request-timeout-ms"


def test_metrics_measure_every_stage_of_a_question(client: TestClient) -> None:
    client.post("/v1/ask", json={"question": "lost key"})
    client.post("/v1/ask", json={"question": "lost key"})
    assert figure(client, "faqtual_cache_hits_total") == 1
    assert figure(client, "faqtual_batch_size_count") == figure(client, "faqtual_encode_seconds_count")
    assert figure(client, "faqtual_search_seconds_count") == 1
    assert figure(client, "faqtual_queue_seconds_count") >= 1


@pytest.fixture
def listening(home: Settings, gate: Event) -> Iterator[tuple[str, int]]:
    """A real server in a thread: the test client cannot disconnect."""
    server = uvicorn.Server(uvicorn.Config(create_app(home), log_config=None, timeout_graceful_shutdown=5))
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run, sockets=[listener])
        while not server.started and not running.done():
            time.sleep(0.01)
        yield listener.getsockname()
        gate.set()
        server.should_exit = True


def test_the_work_ends_when_the_client_disconnects(listening: tuple[str, int], gate: Event) -> None:
    gate.clear()
    body = json.dumps(QUESTION).encode()
    head = f"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with httpx2.Client(base_url=f"http://127.0.0.1:{listening[1]}", trust_env=False) as client:
        with socket.create_connection(listening) as asking:
            asking.sendall(head.encode() + body)
            until(client, "faqtual_questions_under_way", 1)
        until(client, "faqtual_abandoned_total", 1)
        assert figure(client, "faqtual_questions_under_way") == 0
        assert 'route="/v1/ask",status="499"' in client.get("/metrics").text
