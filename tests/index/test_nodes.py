"""Several nodes behind one client: which is asked, and what is asked again."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import httpx
import pytest
from qdrant_client import AsyncQdrantClient
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from app.errors import IndexUnavailable, SettingsError
from app.index.failures import qdrant, reason_of
from app.index.nodes import Nodes

pytestmark = pytest.mark.anyio
REFUSED = ResponseHandlingException(httpx.ConnectError("Connection refused"))
SILENT = ResponseHandlingException(httpx.ReadTimeout(""))


class Node:
    """A client whose calls all end in the same way."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*_: object, **__: object) -> object:
            self.calls.append(name)
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome

        return call


def nodes(*made: Node) -> Nodes:
    return Nodes(cast(list[AsyncQdrantClient], list(made)))


@pytest.mark.parametrize("failure", [REFUSED, SILENT, UnexpectedResponse(503, "", b"", httpx.Headers())])
async def test_a_read_goes_to_the_next_node_and_later_ones_stay_there(failure: Exception) -> None:
    first, second = Node(failure), Node(7)
    cluster = nodes(first, second)
    assert [await cluster.count("c") for _ in range(3)] == [7, 7, 7]
    assert len(first.calls) == 2  # tried again once, as any read
    assert len(second.calls) == 3


async def test_a_change_goes_to_the_next_node_only_if_it_was_not_sent() -> None:
    second = Node(7)
    assert await nodes(Node(REFUSED), second).upsert("c") == 7
    with pytest.raises(ResponseHandlingException):
        await nodes(Node(SILENT), second).upsert("c")
    assert second.calls == ["upsert"]


async def test_what_a_node_refuses_no_other_is_asked() -> None:
    second = Node(7)
    with pytest.raises(UnexpectedResponse):
        await nodes(Node(UnexpectedResponse(400, "Bad Request", b"", httpx.Headers())), second).count("c")
    assert second.calls == []


async def test_the_error_of_the_last_node_is_raised_where_none_answers() -> None:
    with pytest.raises(ResponseHandlingException):
        await nodes(Node(SILENT), Node(REFUSED)).count("c")


def test_several_urls_are_separated_by_commas() -> None:
    assert len(Nodes.connect("http://one:6333, http://two:6333,").each) == 2
    with pytest.raises(SettingsError, match="FAQ_QDRANT_URL=nonsense:"):
        Nodes.connect("http://one:6333,nonsense:")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SILENT, "no answer in time"),
        (REFUSED, "Connection refused"),
        (ResponseHandlingException(httpx.ReadError("")), "ReadError"),
        (OSError(), "OSError"),
        (
            UnexpectedResponse(400, "Bad Request", b'{"status": {"error": "too large"}}', httpx.Headers()),
            "400 Bad Request: too large",
        ),
        (UnexpectedResponse(503, "", b"<html>", httpx.Headers()), "503"),
    ],
)
def test_every_error_has_words(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
    with pytest.raises(IndexUnavailable, match=reason), qdrant("a release"):
        raise error
