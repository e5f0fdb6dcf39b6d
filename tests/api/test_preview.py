"""What questions would get if an entry were saved, over HTTP. Nothing is saved."""

from typing import Any

from fastapi.testclient import TestClient

from tests.conftest import FAQ

PREVIEW = "/v1/admin/entries/preview"
REFUND = FAQ[0].question


def preview(client: TestClient, entry: dict[str, Any], *questions: str) -> list[dict[str, Any]]:
    response = client.post(
        PREVIEW, json={"entry": entry, "questions": questions, "min_confidence": 0, "render": "html"}
    )
    assert response.status_code == 200, response.text
    results: list[dict[str, Any]] = response.json()["results"]
    return results


def test_a_changed_entry_answers_in_the_preview_and_nowhere_else(admin: TestClient) -> None:
    before = admin.post("/v1/ask", json={"question": REFUND}).json()
    (result,) = preview(admin, {"id": "refund", "question": REFUND, "answer": "Within **six** days."}, REFUND)
    assert result["question"] == REFUND
    assert result["answers"][0]["answer"] == "Within **six** days."
    assert "<strong>six</strong>" in result["answers"][0]["answer_html"]
    assert admin.post("/v1/ask", json={"question": REFUND}).json()["answers"] == before["answers"]
    assert admin.get("/v1/admin/entry", params={"id": "refund"}).json()["answer"] == FAQ[0].answer


def test_a_new_entry_competes_with_the_live_ones(admin: TestClient) -> None:
    wolf = {"question": "What about the wolf?", "answer": "Ask the keeper.", "follow_ups": ["refund", "nothing"]}
    new, old = preview(admin, wolf, "What about the wolf?", REFUND)
    assert new["answers"][0]["answer"] == "Ask the keeper."
    assert new["answers"][0]["follow_ups"] == [{"faq_id": "refund", "question": REFUND}]
    assert old["answers"][0]["faq_id"] == "refund"


def test_an_entry_that_would_not_answer_is_taken_out(admin: TestClient) -> None:
    archived = {"id": "refund", "question": REFUND, "answer": "Never.", "state": "archived"}
    (result,) = preview(admin, archived, REFUND)
    assert "refund" not in {answer["faq_id"] for answer in result["answers"]}


def test_a_preview_needs_the_scope_edit_and_a_good_entry(client: TestClient, admin: TestClient) -> None:
    body = {"entry": {"question": REFUND, "answer": ""}, "questions": [REFUND]}
    refused = admin.post(PREVIEW, json=body)
    assert refused.status_code == 422
    assert "answer" in refused.text
    assert admin.post(PREVIEW, json={**body, "entry": {"answer": "x"}, "questions": [REFUND] * 33}).status_code == 413
    del client.headers["Authorization"]
    assert client.post(PREVIEW, json=body).status_code == 401
