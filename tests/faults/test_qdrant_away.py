"""A Qdrant server that goes away, comes back, is slow, fails and cuts its answers short; the real service before it.

The faults are those of a proxy before the server that QDRANT_URL names, or before the stand-in of
`tests.faults.qdrant`: they show how the service takes failures by REST, not when a real server has them, nor gRPC.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.encoding.bundle import Bundle
from app.index.resilience import OPENS_AFTER, READ_S
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home
from tests.faults.nodes import Nodes
from tests.faults.proxy import Mode, Proxy
from tests.faults.service import Service, service

pytestmark = pytest.mark.server("faults")


@pytest.fixture(scope="module")
def proxy(nodes: Nodes) -> Proxy:
    """The proxy before the first node, the only one that the services know."""
    return nodes.proxies[0]


@pytest.fixture(scope="module")
def shared(nodes: Nodes) -> Iterator[Settings]:
    """The settings of services whose index is behind the proxy."""
    with nodes.namespace() as namespace:
        yield Settings(port=0, qdrant_url=nodes.urls[0], qdrant_grpc_port=0, namespace=namespace)


@pytest.fixture(scope="module")
def remote(shared: Settings, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has no copy of the index."""
    home: Path = tmp_path_factory.mktemp("remote") / "home"
    settings = shared.model_copy(update={"home": home, "local_vectors": 0, "admin_keys": ("a" * 64,)})
    fill(settings, FAQ)
    publish_home(settings, bundle)
    with service(settings) as running:
        yield running


@pytest.fixture(autouse=True)
def restored(proxy: Proxy, remote: Service) -> Iterator[None]:
    """Every test begins with a Qdrant that is well."""
    yield
    proxy.set("pass")
    remote.wait(lambda: remote.ask().status_code == 200)


def timed(remote: Service) -> tuple[httpx2.Response, float]:
    start = time.monotonic()
    response = remote.ask()
    return response, time.monotonic() - start


def test_answers_come_from_the_server(remote: Service) -> None:
    reply = remote.ask().json()
    assert reply["answers"][0]["faq_id"] == "refund"


@pytest.mark.parametrize("mode", ["reset", "errors", "cut"])
def test_one_failed_read_is_not_noticed(remote: Service, proxy: Proxy, mode: Mode) -> None:
    proxy.set(mode, first=1)
    assert remote.ask().status_code == 200
    assert proxy.faulty == 1


@pytest.mark.parametrize("mode", ["reset", "errors", "cut"])
def test_the_service_answers_again_when_the_server_is_back(remote: Service, proxy: Proxy, mode: Mode) -> None:
    proxy.set(mode)
    for _ in range(2 * OPENS_AFTER):
        response, _ = timed(remote)
        assert response.status_code == 503
        assert response.json()["code"] == "index_unavailable"
        assert int(response.headers["Retry-After"]) >= 1
    proxy.set(mode)
    refused = [timed(remote) for _ in range(20)]
    assert {response.status_code for response, _ in refused} == {503}
    assert proxy.connections <= 3  # only probes reach the server
    assert remote.client.get("/livez").status_code == 200
    assert remote.client.get("/readyz").status_code in (200, 503)  # 200 for the seconds that a check is remembered
    proxy.set("pass")
    remote.wait(lambda: remote.ask().status_code == 200)


def test_a_server_that_hangs_costs_a_bounded_time(remote: Service, proxy: Proxy) -> None:
    proxy.set("hang")
    response, seconds = timed(remote)
    assert response.status_code == 503
    assert seconds < 2 * READ_S + 2
    remote.wait(lambda: timed(remote)[1] < READ_S / 2)
    assert remote.ask().status_code == 503


def test_a_slow_server_is_waited_for(remote: Service, proxy: Proxy) -> None:
    proxy.set("delay", delay_s=0.4)
    response, seconds = timed(remote)
    assert response.status_code == 200
    assert seconds >= 0.4


def test_the_log_has_the_first_refused_request_and_a_count(remote: Service, proxy: Proxy) -> None:
    proxy.set("errors")
    before = remote.log.count("index_unavailable: ")
    for _ in range(30):
        assert remote.ask().status_code == 503
    assert remote.log.count("index_unavailable: ") - before <= 2  # a count of earlier ones may fall into this time


def replica(shared: Settings, bundle: Bundle, directory: Path) -> Settings:
    """The settings of a second service, with a home of its own that holds the bundle alone."""
    settings = shared.model_copy(update={"home": directory / "home"})
    bundle.install(settings.home / "models")
    return settings


def test_a_service_with_a_copy_answers_without_the_server(
    proxy: Proxy, shared: Settings, remote: Service, bundle: Bundle, tmp_path: Path
) -> None:
    settings = replica(shared, bundle, tmp_path)
    with service(settings) as second:
        proxy.set("reset")
        assert {second.ask().status_code for _ in range(20)} == {200}
    with service(settings) as restarted:
        assert restarted.ask().json()["answers"][0]["faq_id"] == "refund"


def test_a_service_started_without_it_recovers(
    proxy: Proxy, shared: Settings, remote: Service, bundle: Bundle, tmp_path: Path
) -> None:
    settings = replica(shared, bundle, tmp_path)
    proxy.set("reset")
    with service(settings, ready=False) as second:
        second.wait(lambda: second.client.get("/livez").status_code == 200)
        response = second.client.get("/readyz")
        assert (response.status_code, response.json()["code"]) == (503, "not_ready")
        proxy.set("pass")
        second.wait(lambda: second.ask().status_code == 200)
