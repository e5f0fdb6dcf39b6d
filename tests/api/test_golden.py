"""Golden questions, the gate and comparisons over HTTP."""

import json

import pytest
from fastapi.testclient import TestClient

from app.settings import Settings
from tests.conftest import ADMIN_KEY, FAQ, fill
from tests.service import checked_client, ended_job
from tests.waiting import wait_until

FILES = "/v1/admin/golden"
URL = f"{FILES}/questions"
REFUND = {"question": "When will I get my refund?", "faq_id": "refund"}
JSONL, CSV = {"Content-Type": "application/jsonl"}, {"Content-Type": "text/csv"}


def test_golden_questions_are_kept_over_http(admin: TestClient) -> None:
    added = admin.post(URL, json=REFUND | {"note": "asked daily"})
    assert (added.status_code, added.headers["Location"]) == (201, f"{URL}/1")
    assert admin.get(added.headers["Location"]).json() == added.json()
    assert admin.post(URL, json=REFUND).json()["code"] == "conflict"
    unknown = admin.post(URL, json={"question": "a", "faq_id": "refunds"})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "faq_id")
    assert admin.post(URL, json={"question": "a"}).status_code == 422
    assert admin.post(URL, json={"question": "a\0", "faq_id": None}).status_code == 422
    changed = admin.put(f"{URL}/1", json={"question": "Where is it?", "faq_id": None, "source": "log"}).json()
    assert (changed["question"], changed["faq_id"], changed["source"], changed["note"]) == (
        "Where is it?",
        None,
        "log",
        "",
    )
    admin.post(URL, json=REFUND)
    assert admin.get(f"{URL}?limit=1").json()["next_after"] == 1
    assert [golden["id"] for golden in admin.get(f"{URL}?limit=1&after=1").json()["questions"]] == [2]
    assert admin.get(f"{URL}?search=WHERE").json()["total"] == 1
    assert admin.delete(f"{URL}/1").json() == {"id": 1, "deleted": True}
    for method in ("get", "delete"):
        assert admin.request(method, f"{URL}/1").status_code == 404
    assert admin.get(f"{URL}/0").status_code == 422
    assert admin.get(f"{URL}?after=x").status_code == 422


def test_files_are_imported_whole_or_not_and_exported(admin: TestClient) -> None:
    rows = json.dumps(REFUND) + "\n" + json.dumps({"question": "Wolf?", "faq_id": None}) + "\n"
    assert admin.post(f"{FILES}/import?dry_run=true", content=rows, headers=JSONL).json()["added"] == 2
    assert admin.get(URL).json()["total"] == 0
    report = admin.post(f"{FILES}/import", content=rows, headers=JSONL).json()
    assert report == {"added": 2, "updated": 0, "unchanged": 0, "dry_run": False}
    bad = admin.post(f"{FILES}/import", content="question,faq_id\na,refund\nb,refunds\n", headers=CSV)
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_file")
    assert [(row["line"], row["field"]) for row in bad.json()["errors"]] == [(3, "faq_id")]
    assert admin.post(f"{FILES}/import", content=rows, headers={"Content-Type": "text/plain"}).status_code == 415
    assert admin.get(URL).json()["total"] == 2
    exported = admin.get(f"{FILES}/export?format=csv")
    assert exported.headers["content-type"].startswith("text/csv")
    repeated = admin.post(f"{FILES}/import", content=exported.content, headers=CSV).json()
    assert repeated == {"added": 0, "updated": 0, "unchanged": 2, "dry_run": False}


def test_a_blocked_release_is_listed_compared_and_activated_on_purpose(
    admin: TestClient, published: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    admin.post(URL, json=REFUND)
    live = admin.get("/v1/admin/releases").json()["releases"][0]["release"]
    fill(published, [FAQ[0].model_copy(update={"question": "What is a gift?", "alternatives": ()}), *FAQ[1:]])
    job = ended_job(admin, admin.post("/v1/admin/reindex").json()["job_id"])
    assert job["status"] == "failed"
    assert "“When will I get my refund?”: expected `refund`" in job["error"]
    blocked, active = admin.get("/v1/admin/releases").json()["releases"]
    assert (active["release"], active["active"], blocked["active"]) == (live, True, False)
    assert (blocked["blocked"], blocked["golden"]["broken"], active["blocked"]) == (True, 1, False)
    assert "refund" in blocked["golden"]["broken_questions"][0]
    (run,) = admin.get("/v1/admin/golden/runs").json()["runs"]
    assert (run["release"], run["against"], run["outcome"]) == (blocked["release"], live, "blocked")
    assert run["broken_questions"][0]["expected"] == "refund"
    compared = admin.get(f"/v1/admin/releases/{live}/compare/{blocked['release']}").json()
    assert (compared["counts"], compared["total"], compared["next_after"]) == ({"worse": 1}, 1, None)
    assert compared["questions"][0]["before"]["answers"][0] == "refund"
    hidden = admin.get(f"/v1/admin/releases/{live}/compare/{blocked['release']}?verdict=better&verdict=same").json()
    assert (hidden["questions"], hidden["counts"]) == ([], {"worse": 1})
    assert admin.get(f"/v1/admin/releases/{live}/compare/faq-000000000000-000000000000").status_code == 404
    url = f"/v1/admin/releases/{blocked['release']}/activate"
    refused = admin.post(url)
    assert (refused.status_code, refused.json()["code"]) == (409, "blocked")
    caplog.set_level("INFO", "app.audit")
    activated = admin.post(f"{url}?override=true").json()
    assert (activated["active"], activated["blocked"], activated["golden"]["outcome"]) == (True, False, "overridden")
    assert "activate blocked release" in caplog.text
    assert admin.post(f"/v1/admin/releases/{live}/activate").json()["active"]


def test_what_users_asked_becomes_golden_and_is_compared(published: Settings) -> None:
    settings = published.model_copy(update={"log_questions": "full"})
    with checked_client(settings) as client:
        client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        replies = [client.post("/v1/ask", json={"question": text}).json() for text in (REFUND["question"], "wolf ping")]
        token = {"token": replies[0]["feedback_token"], "request_id": replies[0]["request_id"]}
        opinion = {"helpful": True, "faq_id": "refund", "question": REFUND["question"]}
        assert client.post("/v1/feedback", json=token | opinion).status_code == 200
        collected = client.post(f"{FILES}/collect", json={"source": "feedback"}).json()
        assert collected == {"added": 1, "known": 0, "skipped": 0}
        assert client.post(f"{FILES}/collect", json={"source": "feedback"}).json()["known"] == 1
        assert client.post(f"{FILES}/collect", json={"source": "log"}).status_code == 422
        ids = {"request_ids": [replies[1]["request_id"]]}
        added = []

        def collected() -> bool:
            response = client.post(f"{FILES}/collect", json={"source": "log"} | ids)
            added.append(response.json().get("added"))
            return response.status_code == 200

        wait_until(collected)  # the log is written in the background
        assert added[-1] == 1
        golden = client.get(URL).json()["questions"]
        assert [(item["question"], item["source"]) for item in golden] == [
            (REFUND["question"], "feedback"),
            ("wolf ping", "log"),
        ]
        live = client.get("/v1/admin/releases").json()["releases"][0]["release"]
        compared = client.get(f"/v1/admin/releases/{live}/compare/{live}?source=log&limit=1").json()
        assert (compared["counts"], compared["total"]) == ({"same": 1}, None)
        assert compared["questions"][0]["before"]["right"] is None
        rest = client.get(f"/v1/admin/releases/{live}/compare/{live}?source=log&after={compared['next_after']}").json()
        assert (rest["counts"], rest["next_after"]) == ({"same": 1}, None)
        assert client.get(f"/v1/admin/releases/{live}/compare/{live}?after=x").status_code == 422
