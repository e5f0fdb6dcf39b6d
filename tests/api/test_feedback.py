"""Feedback over HTTP: what the token of a reply allows, and to whom."""

from fastapi.testclient import TestClient

from app.settings import Settings
from tests.api.question_log import ADMIN, ask, emptied, give, questions, redacting, service, shared_settings

__all__ = ["emptied", "redacting", "shared_settings"]


def refused(client: TestClient, status: int, headers: dict[str, str] | None = None, **body: object) -> str:
    """The reason why a feedback is refused."""
    response = client.post("/v1/feedback", json={"helpful": False, **body}, headers=headers)
    assert response.status_code == status, response.text
    return str(response.json()["detail"])


def test_a_browser_gives_feedback_with_the_token_and_changes_it(redacting: TestClient) -> None:
    reply = ask(redacting, session="s")
    given = give(redacting, reply, faq_id="refund", reason="wrong", correct_faq_id="password")
    assert (given["helpful"], given["reason"], given["correct_faq_id"]) == (False, "wrong", "password")
    changed = give(redacting, reply, faq_id="refund", helpful=True, question="When do I get my money back?")
    assert (changed["helpful"], changed["reason"]) == (True, None)
    assert changed["question"] == "When do I get my money back?"
    assert changed["changeable_until"] == given["changeable_until"]
    (kept,) = redacting.get("/v1/admin/feedback", params={"helpful": "true"}, headers=ADMIN).json()["feedback"]
    assert (kept["outcome"], kept["session"], kept["release"]) == ("answered", "s", reply["release"])
    questions(redacting, 1)
    assert len(questions(redacting, 1, helpful="true")) == 1


def test_feedback_without_the_question_takes_it_from_the_log(redacting: TestClient) -> None:
    reply = ask(redacting)
    questions(redacting, 1)
    assert give(redacting, reply)["question"] == "When do I get my money back?"
    body = {"request_id": reply["request_id"], "helpful": True, "faq_id": "refund"}
    response = redacting.post("/v1/feedback", json=body, headers=ADMIN)
    assert (response.status_code, response.json()["question"]) == (200, "When do I get my money back?")


def test_feedback_that_its_token_does_not_prove_is_refused(redacting: TestClient) -> None:
    reply, other = ask(redacting), ask(redacting)
    body = {"request_id": reply["request_id"], "token": reply["feedback_token"]}
    assert "another request" in refused(redacting, 422, **{**body, "token": other["feedback_token"]})
    assert "not valid" in refused(redacting, 422, **{**body, "token": "AAAA"})
    assert "did not show" in refused(redacting, 422, **body, faq_id="passage-of-none")
    assert "not the question" in refused(redacting, 422, **body, question="something else")
    assert "no entry `nothing`" in refused(redacting, 422, **body, correct_faq_id="nothing")
    assert "`reason` says why" in refused(redacting, 422, **{**body, "helpful": True, "reason": "wrong"})
    assert "or a key" in refused(redacting, 401, request_id=reply["request_id"])
    assert "not in the log" in refused(redacting, 422, ADMIN, request_id="0" * 32)
    assert redacting.get("/v1/admin/feedback", headers=ADMIN).json()["feedback"] == []


def test_with_logging_off_there_is_no_feedback(emptied: Settings) -> None:
    with service(emptied, "off") as client:
        ask(client)
        assert "FAQ_LOG_QUESTIONS=off" in refused(client, 409, ADMIN, request_id="0" * 32)
