"""Files of entries over HTTP, sent as a body or in a form, and the list that shows them."""

import json

import pytest
from fastapi.testclient import TestClient

from app.knowledge.store import Store
from app.settings import Settings
from tests.conftest import FAQ

LINES = {"Content-Type": "application/jsonl"}


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
