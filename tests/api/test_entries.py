"""Single entries over HTTP: ETag and If-Match, states, history, lists, erasing."""

import json
import logging
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.settings import Settings
from tests.api.editors import ANN, BEN, ENTRIES, ENTRY, KEYS, client, get
from tests.conftest import ADMIN_KEY, FAQ, fill, publish_home
from tests.service import checked_client

__all__ = ["client"]


def test_an_entry_is_added_read_changed_and_archived(client: TestClient) -> None:
    added = client.post(ENTRIES, json={"id": "new", "question": "Why?", "answer": "Because."})
    assert added.status_code == 201
    assert (added.headers["Location"], added.headers["ETag"]) == ("/v1/admin/entry?id=new", added.json()["etag"])
    assert client.get(added.headers["Location"]).json() | {"warnings": []} == added.json()
    headers = {"If-Match": added.headers["ETag"]}
    changed = client.patch(ENTRY, params={"id": "new"}, json={"answer": "So."}, headers=headers)
    assert (changed.status_code, changed.json()["answer"], changed.json()["version"]) == (200, "So.", 2)
    assert (changed.json()["question"], changed.json()["changed_by"]) == ("Why?", "ann")
    replaced = client.put(
        ENTRY, params={"id": "new"}, json={"answer": "Whole."}, headers={"If-Match": changed.headers["ETag"]}
    )
    assert (replaced.json()["question"], replaced.json()["answer"]) == ("", "Whole.")
    archived = client.delete(ENTRY, params={"id": "new"}, headers={"If-Match": replaced.headers["ETag"]})
    assert archived.json()["state"] == "archived"
    assert get(client, "new")["state"] == "archived"


@pytest.mark.parametrize("entry_id", ["..", "a/b", "a%2Fb", "ä & b?", "+", "日本"])
def test_any_id_is_reached_by_its_location(client: TestClient, entry_id: str) -> None:
    added = client.post(ENTRIES, json={"id": entry_id, "answer": "x"})
    assert client.get(added.headers["Location"]).json()["id"] == entry_id


def test_a_method_that_a_path_lacks_is_refused_with_all_that_it_has(client: TestClient) -> None:
    assert client.post(ENTRY).headers["Allow"] == "DELETE, GET, PATCH, PUT"
    assert client.delete(ENTRIES).headers["Allow"] == "GET, POST"


def test_an_id_that_is_taken_is_refused(client: TestClient) -> None:
    taken = client.post(ENTRIES, json={"id": "refund", "answer": "x"})
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "answer"),
        ({"answer": ""}, "answer"),
        ({"answer": "x" * 25_001}, "answer"),
        ({"answer": "x", "state": "gone"}, "state"),
        ({"answer": "x", "valid_from": "tomorrow"}, "valid_from"),
        ({"answer": "x", "valid_from": "2026-01-02", "valid_until": "2026-01-01T10:00:00Z"}, "valid_until"),
        ({"answer": "x", "metadata": {"a": {}}}, "metadata.a"),
        ({"answer": "x", "alternatives": [None]}, "alternatives.0"),
        ({"answer": "x", "follow_ups": ["a\tb"]}, "follow_ups"),
        ({"answer": "x", "anwser": "y"}, "anwser"),
        ({"answer": "\ud800"}, "answer"),
        ({"answer": "x", "\ud800": 1}, "body"),
        ({"answer": "x", "metadata": {"\ud800": 1}}, ""),
        ({"answer": "x", "id": "a\nb"}, "id"),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, body: dict[str, Any], field: str) -> None:
    kind = {"Content-Type": "application/json"}
    refused = client.post(ENTRIES, content=json.dumps(body), headers=kind)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"].startswith(field)


def test_a_change_needs_the_tag_of_what_was_read(client: TestClient) -> None:
    for method in ("put", "patch", "delete"):
        body = {} if method == "delete" else {"json": {"answer": "x"}}
        refused = client.request(method, ENTRY, params={"id": "refund"}, **body)  # type: ignore[arg-type]
        assert (refused.status_code, refused.json()["code"]) == (428, "precondition_required")
    gone = client.patch(ENTRY, params={"id": "nobody"}, json={}, headers={"If-Match": "*"})
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    other = client.put(ENTRY, params={"id": "refund"}, json={"id": "b", "answer": "x"}, headers={"If-Match": "*"})
    assert other.json()["errors"][0]["field"] == "id"


def test_the_second_of_two_editors_gets_the_entry_as_the_first_left_it(client: TestClient) -> None:
    tag = get(client)["etag"]
    first = client.patch(ENTRY, params={"id": "refund"}, json={"answer": "Ann's"}, headers={"If-Match": tag, **ANN})
    second = client.patch(ENTRY, params={"id": "refund"}, json={"answer": "Ben's"}, headers={"If-Match": tag, **BEN})
    assert (second.status_code, second.json()["code"]) == (412, "stale")
    assert second.json()["entry"] | {"warnings": []} == first.json()
    assert second.headers["ETag"] == first.headers["ETag"]
    headers = {"If-Match": second.json()["entry"]["etag"], **BEN}
    assert client.patch(ENTRY, params={"id": "refund"}, json={"answer": "Ben's"}, headers=headers).status_code == 200
    history = client.get(f"{ENTRY}/history", params={"id": "refund"}).json()
    assert [version["by"] for version in history["versions"]] == ["ben", "ann", None]


def test_a_patch_merges_metadata_and_null_takes_the_default(client: TestClient) -> None:
    body = {"metadata": {"category": None, "lang": "en"}, "alternatives": None, "valid_until": "2030-01-01"}
    patched = client.patch(ENTRY, params={"id": "refund"}, json=body, headers={"If-Match": "*"}).json()
    assert patched["metadata"] == {"year": 2024, "public": True, "lang": "en"}
    assert (patched["alternatives"], patched["valid_until"]) == ([], "2030-01-02T00:00:00Z")
    cleared = client.patch(
        ENTRY, params={"id": "refund"}, json={"valid_until": None, "metadata": None}, headers={"If-Match": "*"}
    ).json()
    assert (cleared["valid_until"], cleared["metadata"]) == (None, {})
    refused = client.patch(ENTRY, params={"id": "refund"}, json={"answer": None}, headers={"If-Match": "*"})
    assert refused.json()["errors"][0]["field"] == "answer"


def test_history_shows_differences_page_by_page_and_restores(client: TestClient) -> None:
    for answer in ("one", "two"):
        client.patch(ENTRY, params={"id": "refund"}, json={"answer": answer}, headers={"If-Match": "*"})
    newest = client.get(f"{ENTRY}/history", params={"id": "refund", "limit": 1}).json()
    assert (newest["total"], newest["next_before"]) == (3, 3)
    assert newest["versions"][0]["differences"] == [{"field": "answer", "before": "one", "after": "two"}]
    older = client.get(f"{ENTRY}/history", params={"id": "refund", "before": 3}).json()
    assert [version["version"] for version in older["versions"]] == [2, 1]
    restored = client.post(f"{ENTRY}/restore", params={"id": "refund", "version": 1}, headers={"If-Match": "*"})
    assert (restored.json()["answer"], restored.json()["version"]) == (FAQ[0].answer, 4)
    unknown = client.post(f"{ENTRY}/restore", params={"id": "refund", "version": 9}, headers={"If-Match": "*"})
    assert unknown.status_code == 404
    assert client.get(f"{ENTRY}/history", params={"id": "nobody"}).status_code == 404


def test_what_an_import_removed_is_restored(client: TestClient) -> None:
    lines = {"Content-Type": "application/jsonl"}
    client.post(f"{ENTRIES}/import", params={"mode": "replace"}, content=b'{"answer": "only"}', headers=lines)
    history = client.get(f"{ENTRY}/history", params={"id": "refund"}).json()["versions"]
    assert [(version["act"], version["by"]) for version in history] == [("removed", "ann"), ("imported", None)]
    restored = client.post(f"{ENTRY}/restore", params={"id": "refund", "version": 1}, headers={"If-Match": "*"})
    assert restored.json()["answer"] == FAQ[0].answer


def test_lists_are_filtered_and_sorted(client: TestClient) -> None:
    client.patch(ENTRY, params={"id": "delivery"}, json={"state": "draft"}, headers={"If-Match": "*"})
    newest = client.get(ENTRIES, params={"sort": "-updated", "limit": 1}).json()
    assert [entry["id"] for entry in newest["entries"]] == ["delivery"]
    wrong = client.get(ENTRIES, params={"sort": "id", "after": newest["next_after"]})
    assert wrong.json()["errors"][0]["field"] == "after"
    drafts = client.get(ENTRIES, params={"state": ["draft", "archived"], "metadata": "category=delivery"}).json()
    assert ([entry["id"] for entry in drafts["entries"]], drafts["total"]) == (["delivery"], 1)
    at = newest["entries"][0]["updated_at"]
    assert client.get(ENTRIES, params={"updated_from": at}).json()["total"] == 1
    assert client.get(ENTRIES, params={"updated_before": at}).json()["total"] == 3
    for wrong_filter in ({"metadata": "x"}, {"updated_from": "2026-01-01T00:00:00"}, {"sort": "size"}):
        assert client.get(ENTRIES, params=wrong_filter).status_code == 422
    early = client.get(ENTRIES, params={"updated_from": "0001-01-01T00:00:00+14:00"})
    assert early.json()["errors"][0]["field"] == "updated_from"


def test_erasing_an_entry_needs_an_admin_key_and_names_the_releases_that_hold_it(
    published: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="app.audit")
    with checked_client(published.model_copy(update={"keys": KEYS})) as client:
        purge = {"id": "refund", "purge": "true"}
        refused = client.delete(ENTRY, params=purge, headers={"If-Match": "*", **ANN})
        assert (refused.status_code, refused.json()["detail"].count("`admin`")) == (403, 1)
        admin = {"If-Match": "*", "X-API-Key": ADMIN_KEY}
        (release,) = client.get("/v1/admin/releases", headers=admin).json()["releases"]
        purged = client.delete(ENTRY, params=purge, headers=admin).json()
        assert purged == {"id": "refund", "purged": True, "releases": [release["release"]]}
        assert client.get(f"{ENTRY}/history", params={"id": "refund"}, headers=admin).status_code == 404
        client.post(ENTRIES, json={"id": "unpublished", "answer": "x"}, headers=ANN)
        other = client.delete(ENTRY, params={"id": "unpublished", "purge": "true"}, headers=admin).json()
        assert other["releases"] == []
    acts = [record.getMessage() for record in caplog.records if record.name == "app.audit"]
    assert 'act=purge target="refund"' in acts[0]
    assert acts[1].startswith('key=ann act=create target="unpublished"')


def test_follow_ups_come_with_the_answer_where_the_release_holds_them(settings: Settings, bundle: Bundle) -> None:
    refund, password, delivery, passage = FAQ
    ids = ("password", "passage", "nobody", "delivery")
    draft = delivery.model_copy(update={"state": "draft"})
    fill(settings, [refund.model_copy(update={"follow_ups": ids}), password, draft, passage])
    publish_home(settings, bundle)
    with checked_client(settings) as client:
        reply = client.post("/v1/ask", json={"question": refund.question, "min_confidence": 0}).json()
        answers = {answer["faq_id"]: answer.get("follow_ups") for answer in reply["answers"]}
        assert answers["refund"] == [{"faq_id": "password", "question": password.question}]
        assert (answers["password"], "delivery" in answers) == (None, False)


def test_entries_are_edited_in_postgresql(settings: Settings, postgres_url: str) -> None:
    fill(settings := settings.model_copy(update={"database_url": postgres_url, "keys": KEYS}), FAQ)
    with checked_client(settings) as client:
        client.headers.update(ANN)
        tag = get(client)["etag"]
        first = client.patch(ENTRY, params={"id": "refund"}, json={"answer": "new"}, headers={"If-Match": tag})
        stale = client.delete(ENTRY, params={"id": "refund"}, headers={"If-Match": tag, **BEN})
        assert (first.status_code, stale.status_code, stale.json()["entry"]["etag"]) == (
            200,
            412,
            first.json()["etag"],
        )
        (newest,) = client.get(ENTRIES, params={"sort": "-updated", "limit": 1}).json()["entries"]
        assert newest | {"warnings": []} == first.json()
        missing = client.get(ENTRY, params={"id": "\0"})
        assert missing.status_code == 422
