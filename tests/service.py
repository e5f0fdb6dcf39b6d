"""The service in this process, on a published FAQ."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.waiting import wait_until


@pytest.fixture
def client(published: Settings) -> Iterator[TestClient]:
    with checked_client(published) as client:
        yield client


@contextmanager
def checked_client(settings: Settings) -> Iterator[TestClient]:
    """A client that checks each response: the OpenAPI document must list its status and media type."""
    app = create_app(settings)
    check = checked_against(app.openapi())
    with TestClient(app, raise_server_exceptions=False) as client:
        client.event_hooks = {"response": [check]}
        yield client


def checked_against(document: dict[str, Any]) -> Callable[[httpx2.Response], None]:
    """A check that the document lists a response. It skips paths and methods that are not in the document."""
    known = {
        (re.compile(re.sub(r"{\w+}", "[^/]+", path)), method): operation["responses"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }

    def check(response: httpx2.Response) -> None:
        path, method = response.request.url.path, response.request.method.lower()
        for (pattern, its_method), responses in known.items():
            if pattern.fullmatch(path) and its_method == method:
                documented = responses.get(str(response.status_code))
                assert documented is not None, (
                    f"{method} {path} answers {response.status_code}, which is not documented"
                )
                types = [kind.partition(";")[0] for kind in documented.get("content", {})]
                sent = response.headers["content-type"].partition(";")[0]
                assert sent in types, f"{method} {path}: {response.status_code} is {sent}, documented are {types}"

    return check


def ended_job(client: TestClient, job_id: str) -> dict[str, Any]:
    """The job, once it has ended."""

    def job() -> dict[str, Any]:
        shown: dict[str, Any] = client.get(f"/v1/admin/jobs/{job_id}").json()
        return shown

    wait_until(lambda: job()["status"] not in ("queued", "running"))
    return job()


@pytest.fixture
def admin(client: TestClient) -> TestClient:
    client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
    return client
