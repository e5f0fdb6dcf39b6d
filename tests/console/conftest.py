"""The service in process, with a person who is signed in to its console."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.http.security import digest_of
from app.keys import KeyScope, NamedKey
from app.main import create_app
from app.settings import Settings
from tests.conftest import ADMIN_KEY, ASK_KEY, FAQ, fill, publish_home

SCOPED: dict[KeyScope, str] = {"ask": ASK_KEY, "edit": "edit-key-of-the-tests", "publish": "publish-key-of-the-tests"}


class Person:
    """Somebody with a browser: keeps cookies, and sends the token of the forms."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.token = ""

    def sign_in(self, key: str) -> "Person":
        response = self.client.post("/console/login", data={"key": key}, follow_redirects=False)
        assert response.status_code == 303, response.text
        token = re.search(r'name="csrf" value="([^"]+)"', self.client.get("/console/start").text)
        assert token is not None
        self.token = token[1]
        return self

    def see(self, address: str, status: int = 200, part: bool = False) -> str:
        response = self.client.get(f"/console/{address}", headers={"HX-Request": "true"} if part else {})
        assert response.status_code == status, response.text
        return response.text

    def send(self, address: str, status: int = 303, part: bool = False, **fields: Any) -> str:  # noqa: ANN401 - texts and lists of texts
        """The text of the reply; of a redirect its address."""
        headers = {"HX-Request": "true"} if part else {}
        data = {"csrf": self.token, **fields}
        response = self.client.post(f"/console/{address}", data=data, headers=headers, follow_redirects=False)
        assert response.status_code == status, response.text
        return response.headers.get("Location") or response.headers.get("HX-Redirect") or response.text


@contextmanager
def browser(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    """A FAQ_HOME with the FAQ published, to copy."""
    settings = Settings(home=tmp_path_factory.mktemp("home") / "home")
    fill(settings, FAQ)
    publish_home(settings, bundle)
    return settings.home


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Settings:
    """The published FAQ, and a key of each scope. The tests of a file share it, and each changes its own entries."""
    keys = tuple(NamedKey(scope, scope, digest_of(key)) for scope, key in SCOPED.items())
    copy = shutil.copytree(home, tmp_path_factory.mktemp("copy") / "home")
    return Settings(home=copy, admin_keys=(digest_of(ADMIN_KEY),), keys=keys, auto_reindex="off")


@pytest.fixture(scope="module")
def service(keyed: Settings) -> Iterator[TestClient]:
    with browser(keyed) as client:
        yield client


@pytest.fixture
def visitor(service: TestClient) -> TestClient:
    """A browser in which nobody is signed in."""
    service.cookies.clear()
    return service


@pytest.fixture
def person(visitor: TestClient) -> Person:
    """An administrator."""
    return Person(visitor).sign_in(ADMIN_KEY)


@pytest.fixture
def person_with(visitor: TestClient) -> Callable[[KeyScope], Person]:
    return lambda scope: Person(visitor).sign_in(SCOPED[scope])
