"""Batches of changes over HTTP: all of one batch, or nothing."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.editors import BATCH, ENTRIES, client, get

__all__ = ["client"]


def test_a_batch_is_carried_out_whole(client: TestClient) -> None:
    operations = [
        {"op": "create", "entry": {"id": "new", "answer": "x"}},
        {"op": "update", "id": "refund", "etag": get(client)["etag"], "changes": {"answer": "new"}},
        {"op": "replace", "id": "delivery", "etag": "*", "entry": {"answer": "whole"}},
        {"op": "archive", "id": "password", "etag": "*"},
        {"op": "update", "id": "passage", "etag": "*", "changes": {}},
    ]
    done = client.post(BATCH, json={"operations": operations})
    assert [(outcome["id"], outcome["outcome"]) for outcome in done.json()["outcomes"]] == [
        ("new", "created"),
        ("refund", "changed"),
        ("delivery", "changed"),
        ("password", "changed"),
        ("passage", "unchanged"),
    ]
    assert done.json()["outcomes"][1]["etag"] == get(client)["etag"]
    assert get(client, "password")["state"] == "archived"


def test_a_batch_of_which_one_operation_fails_changes_nothing(client: TestClient) -> None:
    operations = [
        {"op": "create", "entry": {"id": "new", "answer": "x"}},
        {"op": "create", "entry": {"id": "refund", "answer": "x"}},
        {"op": "archive", "id": "nobody", "etag": "*"},
        {"op": "archive", "id": "password", "etag": '"old"'},
    ]
    refused = client.post(BATCH, json={"operations": operations})
    assert (refused.status_code, refused.json()["code"]) == (409, "batch_refused")
    errors = refused.json()["errors"]
    assert [(error["field"], error["code"]) for error in errors] == [
        ("operations.1", "conflict"),
        ("operations.2", "not_found"),
        ("operations.3", "stale"),
    ]
    assert errors[2]["entry"] == get(client, "password")
    assert client.get(ENTRIES).json()["total"] == 4


@pytest.mark.parametrize(
    ("operations", "field"),
    [
        ([], "operations"),
        ([{"op": "create", "entry": {"answer": "x"}}] * 1001, "operations"),
        ([{"op": "archive", "id": "a", "etag": "*"}] * 2, "operations.1"),
        ([{"op": "archive", "id": "a"}], "operations.0"),
        ([{"op": "create", "entry": {"answer": " "}}], "operations.0.entry.answer"),
        ([{"op": "update", "id": "refund", "etag": "*", "changes": {"answer": ""}}], "operations.0.changes.answer"),
        ([{"op": "erase", "id": "a"}], "operations.0"),
    ],
)
def test_a_wrong_operation_is_named(client: TestClient, operations: list[dict[str, Any]], field: str) -> None:
    refused = client.post(BATCH, json={"operations": operations})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"].startswith(field)


def test_a_batch_has_room_for_eight_megabytes(client: TestClient) -> None:
    room = client.post(BATCH, content=b" " * (8 * 2**20), headers={"Content-Type": "application/json"})
    assert room.status_code == 422
    too_large = client.post(BATCH, content=b" " * (8 * 2**20 + 1), headers={"Content-Type": "application/json"})
    assert too_large.status_code == 413
