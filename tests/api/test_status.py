"""What changed since the active release, over HTTP."""

from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.settings import Settings
from tests.api.editors import ANN, ENTRY, KEYS, client
from tests.conftest import ADMIN_KEY
from tests.service import checked_client

__all__ = ["client"]


def test_status_tells_what_changed_since_the_release(published: Settings, bundle: Bundle) -> None:
    with checked_client(published.model_copy(update={"keys": KEYS})) as client:
        before = client.get("/v1/admin/status", headers=ANN).json()
        release = before["release"]
        assert (release["up_to_date"], release["changed_entries"], release["entries"]) == (True, 0, 4)
        assert release["age_s"] > 0
        client.patch(ENTRY, params={"id": "refund"}, json={"state": "draft"}, headers={"If-Match": "*", **ANN})
        after = client.get("/v1/admin/status", headers=ANN).json()
        assert (after["release"]["up_to_date"], after["release"]["changed_entries"]) == (False, 1)
        assert after["knowledge"] | {"revision": ""} == {
            "revision": "",
            "draft": 1,
            "live": 3,
            "archived": 0,
            "published": 3,
        }
        job = client.post("/v1/admin/reindex", headers={"X-API-Key": ADMIN_KEY}).json()["job_id"]
        assert [job["job_id"] for job in client.get("/v1/admin/status", headers=ANN).json()["jobs"]] == [job]


def test_status_without_a_release(client: TestClient) -> None:
    assert client.get("/v1/admin/status").json()["release"] is None
