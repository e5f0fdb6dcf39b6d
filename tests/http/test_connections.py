"""The connection layer: what it answers in place of the application, and what it needs of uvicorn."""

import socket
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
import uvicorn
from packaging.requirements import Requirement
from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http import connections

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nX-Request-ID: theirs-1\r\nAccept: */*\r\n"


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """A server whose application answers at once, with a deadline of 0.2 s for heads."""
    protocol = connections.bounded_protocol(10, lambda status: None)
    server = uvicorn.Server(uvicorn.Config(PlainTextResponse("ok"), http=protocol, log_config=None, lifespan="off"))
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadPoolExecutor(1) as pool,
    ):
        patch.setattr(connections, "HEAD_S", 0.2)
        running = pool.submit(server.run, sockets=[listener])
        while not server.started and not running.done():
            time.sleep(0.01)
        yield listener.getsockname()
        server.should_exit = True


def reply_to(address: tuple[str, int], *requests: bytes) -> bytes:
    """What the server sends until it closes the connection; each request follows the reply to the one before."""
    with closing(socket.create_connection(address, timeout=30)) as connection:
        for request in requests[:-1]:
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(requests[-1])
        reply = b""
        while data := connection.recv(65536):
            reply += data
    return reply


@pytest.mark.parametrize(("rest", "status"), [(b"X-Slow: ", b"408"), (b"not a header\r\n\r\n", b"400")])
def test_a_refused_request_gets_its_own_request_id_back(address: tuple[str, int], rest: bytes, status: bytes) -> None:
    reply = reply_to(address, HEAD + rest)
    assert reply.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nx-request-id: theirs-1\r\n" in reply
    assert b'"request_id": "theirs-1"' not in reply  # in the body it is always the service's


def test_the_request_id_of_an_earlier_request_is_not_given_to_a_later_one(address: tuple[str, int]) -> None:
    reply = reply_to(address, HEAD + b"\r\n", b"not http\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 400")
    assert b"theirs-1" not in reply


def test_uvicorn_is_pinned_to_a_minor_version_because_its_protocol_class_is_not_a_public_interface() -> None:
    """A new minor version may rename the methods that BoundedProtocol overrides; its deadlines would then never run."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    (pin,) = (r.specifier for r in map(Requirement, project["dependencies"]) if r.name == "uvicorn")
    major, minor = version("uvicorn").split(".")[:2]
    assert pin.contains(version("uvicorn"))
    assert pin.contains(f"{major}.{minor}.99")
    assert not pin.contains(f"{major}.{int(minor) + 1}.0")
    assert not pin.contains(f"{major}.{int(minor) - 1}.0")


def test_every_method_that_the_protocol_overrides_exists_in_uvicorn() -> None:
    overrides = {
        name for name, value in vars(connections.BoundedProtocol).items() if name[0] != "_" and callable(value)
    }
    assert "on_message_begin" in overrides
    assert overrides <= set(dir(HttpToolsProtocol))
