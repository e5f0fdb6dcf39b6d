"""An OpenAI-compatible endpoint: a real HTTP server on this machine, which fails as it is told to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.errors import InputError
from trainer.generation.endpoint import Endpoint, EndpointUnavailable
from trainer.generation.generators import batches, load_generator
from trainer.generation.sampling import Sampling


class Served(ThreadingHTTPServer):
    """What was asked, and the statuses that come before the first good answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.failures: list[int] = []
        self.content = "1. How does {passage} work?\n\n- What is it?\n* Third one?\nFourth one?"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Served

    def do_GET(self) -> None:
        self.answer({"data": [{"id": "first-model"}, {"id": "other"}]} if self.path == "/v1/models" else {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.add(self.headers["Authorization"])
        if self.server.failures:
            self.answer({"error": {"message": "no such luck"}}, self.server.failures.pop(0))
            return
        self.server.asked.append(body)
        passage = body["messages"][0]["content"].rsplit("\n", 1)[-1]
        text = self.server.content.format(passage=passage)
        self.answer({"choices": [{"message": {"role": "assistant", "content": text}}]})

    def answer(self, content: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Served]:
    with Served() as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def test_queries_come_one_a_line_without_bullets(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with Endpoint(server.address, "small") as endpoint:
        queries = endpoint.generate(["a tent", "a refund"], Sampling(3, top_p=0.9, temperature=0.5), seed=7)
    assert queries == [
        ["How does a tent work?", "What is it?", "Third one?"],
        ["How does a refund work?", "What is it?", "Third one?"],
    ]
    assert {
        (request["model"], request["top_p"], request["temperature"], request["seed"]) for request in server.asked
    } == {("small", 0.9, 0.5, 7)}
    assert server.keys == {"Bearer secret"}


def test_a_url_without_a_name_takes_the_first_model(server: Served) -> None:
    generator = load_generator(server.address)
    assert isinstance(generator, Endpoint)
    with generator:
        assert generator.name == "first-model"
        assert [len(batch) for batch in batches([f"p{i}" for i in range(70)], generator, Sampling())] == [32, 32, 6]


def test_a_temporary_failure_is_tried_again(server: Served) -> None:
    server.failures = [503, 429, 500]
    with Endpoint(server.address, "small", pause=0.01) as endpoint:
        assert endpoint.generate(["a tent"], Sampling(1), 0) == [["How does a tent work?"]]
    assert server.failures == []


@pytest.mark.parametrize(
    ("failures", "error", "message", "left"),
    [
        ([503] * 9, EndpointUnavailable, r"failed 4 times. .*503.*luck", 5),
        ([401] * 3, InputError, r"refused the request with status 401.*luck", 2),
    ],
    ids=["it is not tried for ever", "a refusal is final"],
)
def test_a_lasting_failure_is_named(
    server: Served, failures: list[int], error: type[Exception], message: str, left: int
) -> None:
    server.failures = failures
    with (
        Endpoint(server.address, "small", pause=0.01) as endpoint,
        pytest.raises(error, match=message),
    ):
        endpoint.generate(["a tent"], Sampling(1), 0)
    assert len(server.failures) == left


def test_an_answer_without_text_is_no_query(server: Served) -> None:
    server.content = "\n \n"
    with Endpoint(server.address, "small") as endpoint:
        assert endpoint.generate(["a tent"], Sampling(1), 0) == [[]]


def test_an_endpoint_that_does_not_answer_or_is_no_url_is_refused(server: Served) -> None:
    address = server.address
    server.server_close()
    with pytest.raises(EndpointUnavailable, match="ConnectError"):
        Endpoint(address, pause=0.01)
    with pytest.raises(InputError, match="must begin with http"):
        Endpoint("localhost:8000")
