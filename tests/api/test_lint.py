"""The lint over HTTP and on the command line: pages, filters, warnings on write; the report follows the entries."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.__main__ import cli
from app.encoding.bundle import Bundle
from app.http.security import digest_of
from app.knowledge.entry import Entry
from app.settings import Settings
from tests.conftest import ADMIN_KEY, FAQ, fill, publish_home
from tests.service import checked_client

LINT, ENTRY, ENTRIES = "/v1/admin/lint", "/v1/admin/entry", "/v1/admin/entries"
MISTAKES = [
    Entry(id="again", question="when will I get my refund", answer="Never [ask](/again)."),
    Entry(id="old", question="Can I pay by key?", answer="Yes.", valid_until="2020-01-01", follow_ups=("nobody",)),
]


@pytest.fixture(scope="module")
def home(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with a release, and with mistakes in its store."""
    settings = Settings(home=tmp_path_factory.mktemp("lint"), port=0, admin_keys=(digest_of(ADMIN_KEY),))
    fill(settings, [*FAQ, *MISTAKES])
    publish_home(settings, bundle)
    return settings


@pytest.fixture(scope="module")
def client(home: Settings) -> Iterator[TestClient]:
    with checked_client(home) as client:
        client.headers["X-API-Key"] = ADMIN_KEY
        yield client


def kinds(findings: list[dict[str, Any]]) -> list[str]:
    return [finding["kind"] for finding in findings]


def test_the_report_is_paged_filtered_and_kept_until_an_entry_changes(client: TestClient) -> None:
    response = client.get(LINT, params={"limit": 2})
    assert response.status_code == 200, response.text
    report = response.json()
    assert (report["entries"], report["compared"], report["release"][:4]) == (6, True, "faq-")
    assert kinds(report["findings"]) == ["different_answers", "never_valid"]
    assert {mention["id"] for mention in report["findings"][0]["entries"]} == {"refund", "again"}
    rest = client.get(LINT, params={"limit": 1000, "after": report["next_after"]}).json()
    assert len(rest["findings"]) == report["total"] - 2
    only = client.get(LINT, params={"kind": ["broken_link", "dead_follow_up"]}).json()
    assert (kinds(only["findings"]), only["total"]) == (["dead_follow_up", "broken_link"], 2)
    assert only["checked_at"] == report["checked_at"]
    fixed = client.patch(ENTRY, params={"id": "old"}, json={"follow_ups": ["refund"]}, headers={"If-Match": "*"})
    assert kinds(fixed.json()["warnings"]) == ["never_valid"]
    assert client.get(LINT, params={"kind": "dead_follow_up"}).json()["total"] == 0


def test_what_is_no_kind_and_what_is_no_cursor_are_refused(client: TestClient) -> None:
    assert client.get(LINT, params={"kind": "typo"}).status_code == 422
    assert client.get(LINT, params={"after": "x"}).json()["errors"][0]["field"] == "after"


def test_a_saved_entry_comes_with_warnings_and_a_good_one_without(client: TestClient) -> None:
    added = client.post(ENTRIES, json={"id": "bad", "question": "When will I get my refund?", "answer": "[x](y)"})
    assert (added.status_code, kinds(added.json()["warnings"])) == (201, ["different_answers", "broken_link"])
    good = {"question": "Is spam free?", "answer": "Turnip."}
    replaced = client.put(ENTRY, params={"id": "bad"}, json=good, headers={"If-Match": "*"})
    assert replaced.json()["warnings"] == []
    operations = [
        {"op": "update", "id": "bad", "etag": replaced.json()["etag"], "changes": {"negatives": ["is spam free"]}},
        {"op": "create", "entry": {"id": "worse", "answer": "See http:/x."}},
    ]
    outcomes = client.post(f"{ENTRIES}/batch", json={"operations": operations}).json()["outcomes"]
    assert [kinds(outcome["warnings"]) for outcome in outcomes] == [["excluded_phrasing"], ["broken_link"]]


def test_an_import_counts_its_warnings_by_kind(client: TestClient) -> None:
    rows: list[dict[str, object]] = [
        {"id": f"i{i}", "answer": f"[{i}](/{i})", "entry.valid_until": "2020-01-01"} for i in range(3)
    ]
    rows.append({"id": "f", "answer": "See the next.", "entry.follow_ups": ["i1", "refund", "nobody", "passage"]})
    body = "\n".join(map(json.dumps, rows))
    report = client.post(
        f"{ENTRIES}/import", params={"dry_run": "true"}, content=body, headers={"Content-Type": "application/jsonl"}
    ).json()
    assert report["warning_counts"] == {"broken_link": 3, "never_valid": 3, "dead_follow_up": 3}


def test_the_command_prints_a_table_and_json(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    shown = CliRunner().invoke(cli, ["lint", "--kind", "different_answers"])
    assert shown.exit_code == 0, shown.output
    assert "again: when will I" in shown.output
    assert "broken_link" not in shown.output
    report = json.loads(CliRunner().invoke(cli, ["lint", "--json"]).stdout)
    assert report["counts"]["different_answers"] == 1
    unknown = CliRunner().invoke(cli, ["lint", "--kind", "broken_links"])
    assert (unknown.exit_code, "did you mean `broken_link`?" in unknown.output) == (2, True)


def test_without_a_release_the_report_says_that_nothing_was_compared(settings: Settings) -> None:
    fill(settings, MISTAKES)
    with checked_client(settings) as client:
        client.headers["X-API-Key"] = ADMIN_KEY
        report = client.get(LINT).json()
        saved = client.post(ENTRIES, json={"question": "Why?", "answer": "[x](y)"}).json()
    assert (report["compared"], report["release"], report["entries"]) == (False, None, 2)
    assert kinds(saved["warnings"]) == ["broken_link"]
