"""Clients that hold on: idle connections, requests that never end, answers that nobody reads, and a stop in between."""

import json
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import httpx2
import pytest

from app.http import connections
from app.serving.server import SHUTDOWN_S
from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.faults.service import QUESTION, Service, asking, service
from tests.waiting import PATIENCE_S

HEAD = b"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"

IMPATIENT = """
import runpy
from app.http import connections
connections.HEAD_S, connections.BODY_S, connections.STALLED_S, connections.SLOWEST = 1.0, 1.5, 1.0, 1000
runpy.run_module("app", run_name="__main__")
"""


@contextmanager
def impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The service, with deadlines of a second in place of ten and more."""
    popen = subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return popen([command[0], "-c", IMPATIENT], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", start)
    with service(settings) as running:
        yield running


def connect(running: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=30)


def read(connection: socket.socket) -> bytes:
    """All that arrives until the service hangs up."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def begin(connection: socket.socket) -> None:
    """Send the head of a request, and return when the service reads its body."""
    connection.sendall(HEAD + b"Expect: 100-continue\r\n\r\n")
    assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")


def drip(connection: socket.socket, data: bytes, every: float) -> None:
    """Send a byte at a time until nobody takes it."""
    try:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(every)
    except OSError:
        pass


@pytest.mark.slow
def test_slow_clients_are_let_go(published: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with impatient(published, monkeypatch) as running:
        silent, head, body, blank = sockets = [connect(running) for _ in range(4)]
        Thread(target=drip, args=(head, HEAD, 0.3), daemon=True).start()
        body.sendall(HEAD + b"\r\n")
        Thread(target=drip, args=(body, b" " * 90, 0.3), daemon=True).start()
        blank.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        Thread(target=drip, args=(blank, b"\r\n" * 60, 0.2), daemon=True).start()
        start = time.monotonic()
        assert read(silent) == b""
        for connection in (head, body):
            reply = read(connection)
            assert reply.startswith(b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json")
            assert b'"code": "timeout"' in reply
        assert read(blank).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - start < 60  # the longest of these would drip for 30 s
        assert running.ask().status_code == 200
        assert "Traceback" not in running.log
        for connection in sockets:
            connection.close()


@pytest.mark.slow
def test_an_answer_that_nobody_reads_is_given_up(published: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with impatient(published, monkeypatch) as running:
        rows = "".join(f'{{"id": "e{i}", "answer": "{"x" * 20_000}"}}\n' for i in range(600))
        kind = {"Content-Type": "application/jsonl"}
        assert running.client.post("/v1/admin/entries/import", content=rows, headers=kind).status_code == 200
        with closing(connect(running)) as connection:
            request = f"GET /v1/admin/entries/export HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\n\r\n"
            connection.sendall(request.encode())
            time.sleep(4)
            assert len(read(connection)) < 12_000_000  # reset, and not sent to its end
        assert running.ask().status_code == 200


def test_broken_http_is_a_problem_too(published: Settings) -> None:
    with service(published) as running, closing(connect(running)) as connection:
        connection.sendall(b"not http\r\n\r\n")
        reply = read(connection)
        assert b"400 Bad Request\r\ncontent-type: application/problem+json" in reply
        assert b"x-content-type-options: nosniff\r\n" in reply
        assert 'faqtual_connections_refused_total{status="400"} 1.0' in running.client.get("/metrics").text


def files_allowed() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@pytest.mark.slow
def test_ten_thousand_idle_connections(published: Settings) -> None:
    many = min(10_000, files_allowed() - 500)
    settings = published.model_copy(update={"max_connections": many // 2})
    with service(settings) as running:
        before = running.memory_mb()
        idle = [socket.create_connection(("127.0.0.1", running.port), timeout=30) for _ in range(many)]
        for _ in range(20):
            assert running.ask().status_code == 200
        grown = running.memory_mb() - before
        assert grown < 40e-3 * many  # 40 kB each would be too much
        for connection in idle:
            connection.close()
        assert running.ask().status_code == 200
        assert "Traceback" not in running.log


@pytest.mark.slow
def test_with_few_descriptors_the_service_says_so_and_answers(published: Settings) -> None:
    code = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512)); "
        "runpy.run_module('app', run_name='__main__')"
    )
    popen = subprocess.Popen
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", lambda command, **options: popen([sys.executable, "-c", code], **options))
        with service(published) as running:
            assert "Room for 256 connections, not 10000" in running.log
            idle = [connect(running) for _ in range(700)]
            for _ in range(20):
                assert (
                    httpx2.post(f"{running.url}/v1/ask", json=QUESTION, trust_env=False, timeout=PATIENCE_S).status_code
                    == 200
                )
            for connection in idle:
                connection.close()
            assert "Too many open files" not in running.log


def test_a_stop_lets_requests_end(published: Settings) -> None:
    body = json.dumps(QUESTION).ljust(100).encode()
    with service(published) as running, asking(running) as replies, closing(connect(running)) as begun:
        running.wait(lambda: len(replies) > 30)
        begin(begun)
        begun.sendall(body[:50])
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        begun.sendall(body[50:])
        assert read(begun).startswith(b"HTTP/1.1 200 OK")
        assert running.process.wait(PATIENCE_S) == 0
    served = [status for status, _ in replies if status]
    assert set(served) == {200}


def test_a_stop_does_not_wait_for_a_client_that_hangs(published: Settings) -> None:
    with service(published) as running, closing(connect(running)) as connection:
        begin(connection)
        connection.sendall(b"{")
        start = time.monotonic()
        assert running.terminate() == 0
        assert time.monotonic() - start < SHUTDOWN_S + connections.BODY_S


def test_the_answer_to_what_is_no_request() -> None:
    reply = connections.refusal(503, "why")
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert b'"code": "overloaded"' in body
