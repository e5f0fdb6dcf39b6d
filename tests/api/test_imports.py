"""Imports and exports over HTTP: dry runs, refused rows, and round trips."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.imports.worker import THREAD_BYTES
from app.knowledge.exports import FORMATS, MEDIA_TYPES, ExportFormat
from tests.conftest import FAQ

URL = "/v1/admin/entries/import"
LINES = {"Content-Type": "application/jsonl"}


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


EDITED = {"question": "how do I reset my PASSWORD", "answer": "Write to us."}


def test_a_dry_run_reports_what_would_happen_to_every_entry(admin: TestClient) -> None:
    changed = {"id": "refund", "question": FAQ[0].question, "answer": "Within a week.", "category": "returns"}
    new = {"id": "new", "question": "Can I get a gift?", "answer": "Yes."}
    plan = admin.post(f"{URL}?dry_run=true", content=lines(changed, new, new), headers=LINES).json()
    assert plan["added_entries"] == [{"id": "new", "question": "Can I get a gift?", "fields": []}]
    assert plan["updated_entries"][0]["fields"] == ["answer", "alternatives", "metadata.public", "metadata.year"]
    assert [entry["id"] for entry in plan["orphaned_entries"]] == ["password", "delivery", "passage"]
    assert plan["merged"] == ["lines 2, 3 are one entry, `new`"]
    assert (plan["orphaned"], plan["removed"], plan["format"]) == (3, 0, "JSON lines")
    replacing = admin.post(f"{URL}?dry_run=true&mode=replace", content=lines(new), headers=LINES).json()
    assert [entry["id"] for entry in replacing["removed_entries"]] == [entry.id for entry in FAQ]
    assert admin.get("/v1/admin/entries").json()["total"] == 4


def test_a_dry_run_of_a_file_with_bad_rows_names_them_and_reports_the_valid_rows(admin: TestClient) -> None:
    new = lines({"id": "new", "question": "Can I get a gift?", "answer": "Yes."})
    response = admin.post(f"{URL}?dry_run=true", content=new + '{"question": "no answer"}\n', headers=LINES)
    assert response.status_code == 422
    body = response.json()
    assert [(error["line"], error["field"]) for error in body["errors"]] == [(2, "answer")]
    assert body["report"]["added_entries"] == [{"id": "new", "question": "Can I get a gift?", "fields": []}]
    whole = admin.post(URL, content=new + '{"question": "no answer"}\n', headers=LINES)
    assert whole.status_code == 422
    assert "report" not in whole.json()
    assert admin.get("/v1/admin/entries").json()["total"] == 4


def test_an_answer_edited_without_an_id_can_be_matched_by_its_question(admin: TestClient) -> None:
    reply = admin.post(f"{URL}?dry_run=true", content=lines(EDITED), headers=LINES).json()
    assert reply["added"] == 1
    (warning,) = reply["warnings"]
    assert warning.startswith("line 1: ")
    assert "beside `password` of the store" in warning
    assert "--match question" in warning
    reply = admin.post(f"{URL}?match=question", content=lines(EDITED), headers=LINES).json()
    assert (reply["added"], reply["updated"], reply["matched"], reply["warnings"]) == (0, 1, 1, [])
    (entry,) = admin.get("/v1/admin/entries", params={"search": "Write to us."}).json()["entries"]
    assert entry["id"] == "password"


def test_texts_longer_than_the_encoder_reads_are_named(admin: TestClient) -> None:
    rows = [{"id": str(i), "question": f"{i}" + " why" * 100, "answer": f"because {i}"} for i in range(2)]
    (warning,) = admin.post(f"{URL}?dry_run=true", content=lines(*rows), headers=LINES).json()["warnings"]
    assert warning.startswith("line 1: `question` is longer than the 64 tokens that the active bundle's encoder reads")
    assert warning.endswith("(1 more: line 2)")


def test_a_column_is_mapped_to_a_field(admin: TestClient) -> None:
    csv = "Frage;Antwort\nWas kostet das?;Nichts.\n"
    headers = {"Content-Type": "text/csv"}
    assert admin.post(f"{URL}?dry_run=true", content=csv, headers=headers).status_code == 422
    query = "dry_run=true&map=question=Frage&map=answer=Antwort"
    reply = admin.post(f"{URL}?{query}", content=csv, headers=headers).json()
    assert reply["mapping"] == {"Frage": "question", "Antwort": "answer"}
    assert reply["added_entries"][0]["question"] == "Was kostet das?"
    wrong = admin.post(f"{URL}?map=Frage", content=csv, headers=headers)
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "map")


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_in_any_format_imports_as_the_same_entries(admin: TestClient, kind: ExportFormat) -> None:
    exported = admin.get("/v1/admin/entries/export", params={"format": kind})
    assert exported.headers["content-disposition"] == f'attachment; filename="faq.{kind}"'
    assert exported.headers["content-type"].partition(";")[0] == MEDIA_TYPES[kind]
    upload = {"file": (f"faq.{kind}", exported.content, MEDIA_TYPES[kind])}
    report = admin.post(f"{URL}?mode=replace", files=upload).json()
    assert (report["added"], report["updated"], report["unchanged"], report["removed"]) == (0, 0, 4, 0)


def test_an_export_that_excel_cannot_hold_is_refused_before_it_starts(admin: TestClient) -> None:
    row = {"id": "long", "answer": "a", "alternatives": [f"{i} {'x' * 900}" for i in range(40)]}
    admin.post(URL, content=lines(row), headers=LINES)
    refused = admin.get("/v1/admin/entries/export", params={"format": "xlsx"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "format")
    assert admin.get("/v1/admin/entries/export", params={"format": "pdf"}).status_code == 422


def test_a_large_file_is_imported_in_its_own_process(admin: TestClient) -> None:
    rows = [{"id": str(i), "question": f"Question {i}?", "answer": "x" * 500} for i in range(1000)]
    assert len(lines(*rows)) > THREAD_BYTES
    reply = admin.post(f"{URL}?mode=replace", content=lines(*rows), headers=LINES).json()
    assert (reply["added"], reply["removed"], reply["total"]) == (1000, 4, 1000)
    refused = admin.post(f"{URL}?dry_run=true", content=lines(*rows, {"question": "no answer"}), headers=LINES)
    assert refused.status_code == 422
    assert [error["line"] for error in refused.json()["errors"]] == [1001]
    assert refused.json()["report"]["unchanged"] == 1000
    assert admin.post(URL, content="{" * THREAD_BYTES + "x", headers=LINES).status_code == 422
