"""Keys with names and scopes: what each may do, and what the audit log says of it."""

import logging
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.errors import SettingsError
from app.http.security import digest_of
from app.keys import NamedKey
from app.main import create_app
from app.settings import Settings
from tests.conftest import ADMIN_KEY, ASK_KEY
from tests.service import checked_client

EDIT = NamedKey("ann", "edit", digest_of("key-of-ann"))
PUBLISH = NamedKey("ben", "publish", digest_of("key-of-ben"))
ASK = NamedKey("shop", "ask", digest_of(ASK_KEY))
LINES = {"Content-Type": "application/jsonl"}


@pytest.fixture
def client(published: Settings) -> Iterator[TestClient]:
    with checked_client(published.model_copy(update={"keys": (EDIT, PUBLISH, ASK)})) as client:
        yield client


@pytest.mark.parametrize(
    ("key", "entries", "releases", "missing"),
    [
        (ASK_KEY, 403, 403, "edit"),
        ("key-of-ann", 200, 403, "publish"),
        ("key-of-ben", 403, 200, "edit"),
        (ADMIN_KEY, 200, 200, None),
    ],
)
def test_a_scope_opens_its_own_routes(
    client: TestClient, key: str, entries: int, releases: int, missing: str | None
) -> None:
    responses = [client.get(f"/v1/admin/{path}", headers={"X-API-Key": key}) for path in ("entries", "releases")]
    assert [response.status_code for response in responses] == [entries, releases]
    assert client.post("/v1/ask", json={"question": "q"}, headers={"X-API-Key": key}).status_code == 200
    refusals = [response.json() for response in responses if response.status_code == 403]
    assert all(refusal["code"] == "forbidden" for refusal in refusals)
    if missing:
        assert f"lacks the scope `{missing}`" in refusals[0]["detail"]


def test_a_named_key_to_ask_with_ends_anonymous_asking(client: TestClient) -> None:
    assert client.post("/v1/ask", json={"question": "q"}).status_code == 401
    assert not Settings(keys=(EDIT, PUBLISH)).asking_needs_key


def test_named_keys_are_enough_to_listen_on_an_address_that_others_reach() -> None:
    admin = NamedKey("root", "admin", digest_of("k"))
    create_app(Settings(host="0.0.0.0", keys=(admin, ASK)))
    with pytest.raises(SettingsError, match="FAQ_ADMIN_KEYS"):
        create_app(Settings(host="0.0.0.0", keys=(EDIT, ASK)))


def test_the_audit_log_names_the_key_and_the_act(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="app.audit")
    (release,) = client.get("/v1/admin/releases", headers={"X-API-Key": "key-of-ben"}).json()["releases"]
    activate = f"/v1/admin/releases/{release['release']}/activate"
    assert client.post(activate, headers={"X-API-Key": "key-of-ann"}).status_code == 403
    response = client.post(activate, headers={"X-API-Key": "key-of-ben"})
    row = b'{"question": "secret question", "answer": "secret answer"}'
    client.post("/v1/admin/entries/import", content=row, headers={"X-API-Key": "key-of-ann", **LINES})
    lines = [record.getMessage() for record in caplog.records if record.name == "app.audit"]
    request = response.headers["X-Request-ID"]
    assert lines[0] == f'key=ben act=activate target="{release["release"]}" request={request}'
    assert lines[1].startswith("key=ann act=import ")
    assert len(lines) == 2
    assert "secret" not in "".join(lines)
