"""Who may ask and who may administer, and how a service is kept from being open by mistake."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.errors import SettingsError
from app.http.security import digest_of
from app.main import create_app
from app.settings import Settings
from tests.conftest import ADMIN_KEY, ASK_KEY


@pytest.fixture
def guarded(published: Settings) -> Iterator[TestClient]:
    settings = published.model_copy(update={"ask_keys": (digest_of("retired"), digest_of(ASK_KEY))})
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "ask", "admin"),
    [
        ({}, 401, 401),
        ({"Authorization": "Bearer wrong"}, 401, 401),
        ({"Authorization": f"Basic {ASK_KEY}"}, 401, 401),
        ({"Authorization": f"Bearer {ASK_KEY}"}, 200, 403),
        ({"Authorization": "bearer retired"}, 200, 403),
        ({"X-API-Key": ASK_KEY}, 200, 403),
        ({"Authorization": f"Bearer {ADMIN_KEY}"}, 200, 200),
        ({"X-API-Key": ADMIN_KEY}, 200, 200),
        ({"X-API-Key": digest_of(ADMIN_KEY)}, 401, 401),
    ],
)
def test_a_key_allows_what_its_scope_allows(guarded: TestClient, headers: dict[str, str], ask: int, admin: int) -> None:
    question = guarded.post("/v1/ask", json={"question": "q"}, headers=headers)
    administered = guarded.get("/v1/admin/jobs", headers=headers)
    assert (question.status_code, administered.status_code) == (ask, admin)
    for response in (question, administered):
        if response.status_code == 401:
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert response.json()["code"] == "unauthorized"
        if response.status_code == 403:
            assert response.json()["code"] == "forbidden"


def test_a_wrong_key_is_refused_before_the_body_is_read(guarded: TestClient) -> None:
    response = guarded.post("/v1/ask", content=b"{broken", headers={"Content-Type": "application/json"})
    assert response.status_code == 401


def test_asking_is_open_without_ask_keys(client: TestClient) -> None:
    assert client.post("/v1/ask", json={"question": "q"}).status_code == 200
    assert client.get("/v1/admin/jobs").status_code == 401
    for path in ("/livez", "/readyz", "/metrics"):
        assert client.get(path).status_code == 200


def test_the_service_refuses_to_listen_beyond_loopback_without_keys() -> None:
    digest = digest_of("k")
    for wrong in (
        Settings(host="0.0.0.0"),
        Settings(host="0.0.0.0", ask_keys=(digest,)),
        Settings(host="example.com", admin_keys=(digest,)),
    ):
        with pytest.raises(SettingsError, match=r"Set FAQ_ASK_KEYS|set FAQ_ADMIN_KEYS"):
            create_app(wrong)
    create_app(Settings(host="0.0.0.0", admin_keys=(digest,), ask_keys=(digest,)))
    create_app(Settings(host="0.0.0.0", admin_keys=(digest,), allow_anonymous=True))
    create_app(Settings(host="::1"))


def test_on_loopback_an_admin_key_is_generated_and_printed_once(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with TestClient(create_app(settings.model_copy(update={"admin_keys": ()}))) as client:
        printed = capsys.readouterr().err
        key = printed.strip().rpartition(" ")[2]
        assert printed.count(key) == 1
        assert client.get("/v1/admin/jobs", headers={"X-API-Key": key}).status_code == 200
        assert client.get("/v1/admin/jobs").status_code == 401
