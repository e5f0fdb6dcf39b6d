"""The real service before a Qdrant whose gRPC port is closed, opens and closes again.

The stand-in shows how the service goes on, not how a real server closes its port.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home
from tests.faults.proxy import Proxy
from tests.faults.qdrant_grpc import grpc_stand_in
from tests.faults.service import Service, service


@pytest.fixture
def proxied(bundle: Bundle, tmp_path: Path) -> Iterator[tuple[Service, Proxy]]:
    """A service without a copy of the release, and the proxy before the gRPC port, which hangs up."""
    with grpc_stand_in() as (rest, grpc), Proxy(grpc) as proxy:
        proxy.set("reset")
        url = f"http://127.0.0.1:{rest}"
        settings = Settings(
            home=tmp_path, port=0, qdrant_url=url, qdrant_grpc_port=proxy.port, local_vectors=0, admin_keys=("a" * 64,)
        )
        fill(settings, FAQ)
        publish_home(settings, bundle)
        with service(settings) as running:
            yield running, proxy


def test_questions_are_answered_whether_grpc_is_open_or_closed(proxied: tuple[Service, Proxy]) -> None:
    running, proxy = proxied
    said = [("reset", "does not answer by gRPC"), ("pass", "answers by gRPC at 127.0.0.1")]
    for mode, words in said:
        proxy.set(mode)  # type: ignore[arg-type]
        while words not in running.log:
            reply = running.ask()
            assert reply.status_code == 200
            assert reply.json()["answers"][0]["faq_id"] == "refund"
    assert running.log.count("by gRPC") == len(said)
