"""Two people who may edit, and the service that they use."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.http.security import digest_of
from app.keys import NamedKey
from app.settings import Settings
from tests.conftest import FAQ, fill
from tests.service import checked_client

ANN, BEN = {"X-API-Key": "key-of-ann"}, {"X-API-Key": "key-of-ben"}


KEYS = tuple(NamedKey(name, "edit", digest_of(f"key-of-{name}")) for name in ("ann", "ben"))


ENTRY, ENTRIES, BATCH = "/v1/admin/entry", "/v1/admin/entries", "/v1/admin/entries/batch"


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The service without a release, for Ann."""
    fill(settings, FAQ)
    with checked_client(settings.model_copy(update={"keys": KEYS})) as client:
        client.headers.update(ANN)
        yield client


def get(client: TestClient, entry_id: str = "refund") -> dict[str, Any]:
    body: dict[str, Any] = client.get(ENTRY, params={"id": entry_id}).json()
    return body
