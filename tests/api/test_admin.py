"""Keys, knowledge, releases and jobs over HTTP."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.errors import SettingsError
from app.http.security import digest_of
from app.jobs import lock
from app.knowledge.database import Database
from app.knowledge.store import Store
from app.main import create_app
from app.settings import Settings
from tests.conftest import ADMIN_KEY, ASK_KEY, FAQ, fill
from tests.service import checked_client

LINES = {"Content-Type": "application/jsonl"}


def wait(client: TestClient, job_id: str) -> dict[str, Any]:
    """The job, after it has ended."""
    for _ in range(300):
        job: dict[str, Any] = client.get(f"/v1/admin/jobs/{job_id}").json()
        if job["status"] not in ("queued", "running"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"job {job_id} has not ended: {job}")


def answers_from(client: TestClient, release: str) -> bool:
    """Whether the service answers from `release` within two seconds."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        if client.post("/v1/ask", json={"question": "q"}).json()["release"] == release:
            return True
        time.sleep(0.05)
    return False


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


def test_entries_are_listed_by_page_and_by_text(admin: TestClient) -> None:
    first = admin.get("/v1/admin/entries", params={"limit": 3}).json()
    assert [entry["id"] for entry in first["entries"]] == ["refund", "password", "delivery"]
    assert first["total"] == 4
    rest = admin.get("/v1/admin/entries", params={"limit": 3, "after": first["next_after"]}).json()
    assert [entry["id"] for entry in rest["entries"]] == ["passage"]
    assert rest["next_after"] is None
    matching = admin.get("/v1/admin/entries", params={"search": "WOLVES"}).json()
    assert ([entry["id"] for entry in matching["entries"]], matching["total"]) == (["passage"], 1)
    assert admin.get("/v1/admin/entries", params={"limit": 0}).status_code == 422
    unknown = admin.get("/v1/admin/entries", params={"after": "nobody"})
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["field"] == "after"


def test_paging_continues_after_the_last_entry_of_a_page_is_deleted(admin: TestClient, published: Settings) -> None:
    first = admin.get("/v1/admin/entries", params={"limit": 2}).json()
    store = Store.open(published.sqlalchemy_url)
    store.delete(first["entries"][-1]["id"])
    store.close()
    rest = admin.get("/v1/admin/entries", params={"limit": 2, "after": first["next_after"]})
    assert rest.status_code == 200
    assert [entry["id"] for entry in rest.json()["entries"]] == ["delivery", "passage"]


def test_an_export_imports_as_the_same_entries(admin: TestClient) -> None:
    exported = admin.get("/v1/admin/entries/export")
    assert exported.headers["content-type"].startswith("application/jsonl")
    assert [json.loads(line)["id"] for line in exported.text.splitlines()] == [entry.id for entry in FAQ]
    report = admin.post("/v1/admin/entries/import?mode=replace", content=exported.content, headers=LINES).json()
    assert (report["added"], report["updated"], report["unchanged"], report["removed"]) == (0, 0, 4, 0)


def test_append_adds_replace_removes_and_a_dry_run_changes_nothing(admin: TestClient) -> None:
    new = json.dumps({"id": "new", "question": "Can I get a gift?", "answer": "Yes."})
    url = "/v1/admin/entries/import"
    dry = admin.post(f"{url}?dry_run=true&mode=replace", content=new, headers=LINES).json()
    assert (dry["dry_run"], dry["added"], dry["removed"], dry["total"]) == (True, 1, 4, 1)
    assert admin.get("/v1/admin/entries").json()["total"] == 4
    assert admin.post(url, content=new, headers=LINES).json()["total"] == 5
    array = {"Content-Type": "application/json"}
    assert admin.post(url, content=f"[{new}]", headers=array).json()["unchanged"] == 1
    csv = {"Content-Type": "text/csv; charset=utf-8"}
    assert admin.post(url, content="question,answer\nWhy?,Because.\n", headers=csv).json()["added"] == 1
    assert admin.post(f"{url}?mode=replace", content=new, headers=LINES).json()["removed"] == 5
    assert admin.post(f"{url}?mode=merge", content=new, headers=LINES).status_code == 422


def test_a_file_is_imported_from_a_form(admin: TestClient) -> None:
    url = "/v1/admin/entries/import"
    csv = b"question,answer\nWhy?,Because.\n"
    assert admin.post(url, files={"file": ("faq.csv", csv, "application/octet-stream")}).json()["added"] == 1
    assert admin.post(url, files={"file": ("faq", csv, "text/csv")}).json()["unchanged"] == 1
    renamed = admin.post(url, files={"file": ("faq.xlsx", csv, "application/octet-stream")}).json()
    assert (renamed["unchanged"], renamed["warnings"]) == (
        1,
        ["called XLSX, but its content is CSV; it is read as CSV"],
    )
    unknown = admin.post(url, files={"file": ("faq.xlsx", b"Just some words.", "application/octet-stream")})
    assert unknown.status_code == 422
    assert "CSV" in unknown.json()["detail"]
    misnamed = admin.post(url, files={"upload": ("faq.csv", csv, "text/csv")})
    assert misnamed.json()["errors"][0]["field"] == "file"


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("multipart/form-data; boundary=y", b"--x", "Invalid multipart data"),
        ("multipart/form-data", b"--x", "Missing boundary"),
        (
            "Multipart/Form-Data; boundary=y",
            b"--y\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--y--",
            "fields",
        ),
    ],
)
def test_a_form_that_cannot_be_read_is_called_a_form(admin: TestClient, kind: str, content: bytes, reason: str) -> None:
    problem = admin.post("/v1/admin/entries/import", content=content, headers={"Content-Type": kind}).json()
    assert (problem["status"], problem["code"]) == (422, "invalid_form")
    assert problem["detail"].startswith("The form cannot be read: ")
    assert reason in problem["detail"]
    assert "JSON" not in problem["detail"]


def test_a_bad_file_names_every_row_and_changes_nothing(admin: TestClient) -> None:
    rows = ['{"question": "a", "answer": "b"}', '{"question": "a"}', "{", json.dumps({"answer": "x" * 1_000_000})]
    response = admin.post("/v1/admin/entries/import?mode=replace", content="\n".join(rows), headers=LINES)
    assert response.status_code == 422
    body = response.json()
    assert body["code"] == "invalid_file"
    assert [error["line"] for error in body["errors"]] == [2, 3, 4]
    assert "1,000,000 characters; at most 25,000" in body["errors"][2]["message"]
    assert admin.get("/v1/admin/entries").json()["total"] == 4


def test_an_import_without_a_known_format_is_refused(admin: TestClient) -> None:
    response = admin.post("/v1/admin/entries/import", content=b"x", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
    assert "application/jsonl" in response.json()["detail"]
    assert admin.post("/v1/admin/entries/import", content=b"", headers=LINES).status_code == 422


def test_reindex_publishes_an_import_and_activate_rolls_it_back(admin: TestClient) -> None:
    before = admin.post("/v1/ask", json={"question": "When will I get my refund?"}).json()
    new = json.dumps({"id": "refund", "question": "When will I get my refund?", "answer": "Within six days."})
    admin.post("/v1/admin/entries/import", content=new, headers=LINES)
    response = admin.post("/v1/admin/reindex")
    assert response.status_code == 202
    job_id = response.json()["job_id"]
    assert response.headers["Location"] == f"/v1/admin/jobs/{job_id}"
    assert response.json()["status"] == "queued"
    busy = admin.post("/v1/admin/reindex")
    assert busy.status_code == 409
    assert job_id in busy.json()["detail"]
    job = wait(admin, job_id)
    assert (job["status"], job["done"], job["total"], job["error"]) == ("succeeded", 4, 4, None)
    assert job["release"] != before["release"]
    assert answers_from(admin, job["release"])
    after = admin.post("/v1/ask", json={"question": "When will I get my refund?"}).json()
    assert after["answers"][0]["answer"] == "Within six days."
    releases = admin.get("/v1/admin/releases").json()["releases"]
    assert [(listed["release"], listed["active"], listed["previous"]) for listed in releases] == [
        (job["release"], True, False),
        (before["release"], False, True),
    ]
    rolled = admin.post(f"/v1/admin/releases/{before['release']}/activate")
    assert (rolled.status_code, rolled.json()["active"]) == (200, True)
    reply = admin.post("/v1/ask", json={"question": "When will I get my refund?"}).json()
    assert reply["answers"][0]["answer"] == "Within five days of the return."
    assert admin.get("/v1/admin/entries", params={"search": "six days"}).json()["entries"]


def test_activating_a_release_takes_the_lock_off_the_event_loop(
    admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PostgreSQL the lock is a call to the database, which may take seconds."""
    writer, on_the_loop = lock.writer, []

    @contextmanager
    def observed(home: Path, database: Database) -> Iterator[lock.Check]:
        on_the_loop.append(asyncio._get_running_loop() is not None)
        with writer(home, database) as check:
            yield check
        on_the_loop.append(asyncio._get_running_loop() is not None)

    monkeypatch.setattr(lock, "writer", observed)
    (release,) = admin.get("/v1/admin/releases").json()["releases"]
    assert admin.post(f"/v1/admin/releases/{release['release']}/activate").status_code == 200
    assert on_the_loop == [False, False]


def test_reindex_of_entries_in_postgresql(published: Settings, postgres_url: str) -> None:
    """The worker is a process of its own, which finds the job and the entries in the same database."""
    settings = published.model_copy(update={"database_url": postgres_url})
    fill(settings, FAQ[:2])
    with checked_client(settings) as client:
        client.headers["X-API-Key"] = ADMIN_KEY
        job = wait(client, client.post("/v1/admin/reindex").json()["job_id"])
        assert (job["status"], job["done"], job["total"], job["error"]) == ("succeeded", 2, 2, None)
        assert client.get("/v1/admin/entries", params={"search": "PASSWORD"}).json()["total"] == 1


def test_reindex_without_a_release_says_what_to_do(settings: Settings) -> None:
    with checked_client(settings) as client:
        response = client.post("/v1/admin/reindex", headers={"X-API-Key": ADMIN_KEY})
        assert (response.status_code, response.json()["code"]) == (409, "conflict")
        assert "`python -m app reindex --bundle DIR`" in response.json()["detail"]
        jobs = client.get("/v1/admin/jobs", headers={"X-API-Key": ADMIN_KEY}).json()
        assert jobs == {"jobs": []}


def test_reindex_reads_the_model_off_the_event_loop(admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[bool] = []
    load = Bundle.load

    def recorded(directory: Path) -> Bundle:
        loops.append(asyncio._get_running_loop() is not None)
        return load(directory)

    monkeypatch.setattr(Bundle, "load", recorded)
    assert admin.post("/v1/admin/reindex").status_code == 202
    assert loops == [False]


def test_a_job_that_fails_says_why(admin: TestClient, published: Settings) -> None:
    admin.post("/v1/admin/entries/import?mode=replace", content='{"answer": "only"}', headers=LINES)
    bundle = next((published.home / "models").iterdir())
    (bundle / "tokenizer.json").write_text("{}")
    response = admin.post("/v1/admin/reindex")
    assert response.status_code == 503
    assert "tokenizer.json is not the file" in response.json()["detail"]
    assert admin.post("/v1/ask", json={"question": "q"}).status_code == 200


def test_a_queued_job_can_be_canceled_once(admin: TestClient) -> None:
    job_id = admin.post("/v1/admin/reindex").json()["job_id"]
    assert admin.post(f"/v1/admin/jobs/{job_id}/cancel").json()["status"] == "canceled"
    second = admin.post(f"/v1/admin/jobs/{job_id}/cancel")
    assert second.status_code == 409
    assert wait(admin, job_id)["status"] == "canceled"
    assert admin.get("/v1/admin/jobs").json()["jobs"][0]["job_id"] == job_id


def test_unknown_jobs_and_releases_are_not_found(admin: TestClient) -> None:
    assert admin.get("/v1/admin/jobs/nobody").status_code == 404
    assert admin.post("/v1/admin/jobs/nobody/cancel").status_code == 404
    unknown = admin.post("/v1/admin/releases/faq-000000000000-000000000000/activate")
    assert unknown.status_code == 404
    assert admin.post("/v1/admin/releases/..%2F..%2Fetc/activate").status_code == 404
