"""The routes that answer questions: replies, options, and what is refused."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.knowledge.entry import Entry
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home
from tests.service import checked_client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[TestClient]:
    """One service for all tests here, since asking changes nothing."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), admin_keys=("a" * 64,))
    fill(settings, FAQ)
    publish_home(settings, bundle)
    with checked_client(settings) as client:
        yield client


def ask(client: TestClient, question: str, **options: object) -> dict[str, Any]:
    response = client.post("/v1/ask", json={"question": question, **options})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def test_a_question_is_answered_with_the_entry_and_its_confidence(client: TestClient) -> None:
    reply = ask(client, "When do I get my money back?")
    fields = {"request_id", "status", "answers", "suggestions", "release", "took_ms", "feedback_token"}
    assert set(reply) == fields
    assert reply["status"] == "answered"
    best = reply["answers"][0]
    assert best == {
        "faq_id": "refund",
        "question": "When will I get my refund?",
        "matched_question": "When do I get my money back?",
        "answer": "Within five days of the return.",
        "score": best["score"],
        "confidence": best["confidence"],
        "metadata": {"category": "returns", "year": 2024, "public": True},
    }
    assert 0.5 <= best["confidence"] <= 1
    assert reply["suggestions"] == []
    assert reply["release"].startswith("faq-")
    assert reply["took_ms"] > 0


def test_a_question_without_an_answer_gets_suggestions(client: TestClient) -> None:
    reply = ask(client, "zzz qqq xxx")
    assert reply["status"] == "no_answer"
    assert reply["answers"] == []
    assert len(reply["suggestions"]) == 3
    assert set(reply["suggestions"][0]) == {"faq_id", "question", "confidence"}
    confidences = [suggestion["confidence"] for suggestion in reply["suggestions"]]
    assert confidences == sorted(confidences, reverse=True)


def test_min_confidence_0_always_answers(client: TestClient) -> None:
    reply = ask(client, "zzz qqq xxx", min_confidence=0, top_k=4)
    assert reply["status"] in ("answered", "ambiguous")
    assert len(reply["answers"]) == 4


def test_min_confidence_excludes_answers_below_it(client: TestClient) -> None:
    everything = ask(client, "When do I get my money back?", min_confidence=0, top_k=4)["answers"]
    threshold = everything[1]["confidence"]
    above = ask(client, "When do I get my money back?", min_confidence=threshold + 1e-3, top_k=4)["answers"]
    assert [answer["faq_id"] for answer in above] == [everything[0]["faq_id"]]
    assert ask(client, "do I get money", min_confidence=1)["status"] == "no_answer"
    word_for_word = ask(client, "When do I get my money back?", min_confidence=1)
    assert (word_for_word["status"], word_for_word["answers"][0]["faq_id"]) == ("answered", everything[0]["faq_id"])


def test_top_k_limits_the_answers(client: TestClient) -> None:
    assert len(ask(client, "refund", min_confidence=0, top_k=1)["answers"]) <= 2
    assert len(ask(client, "refund", min_confidence=0, top_k=50)["answers"]) == 4


def test_a_passage_has_no_question(client: TestClient) -> None:
    best = ask(client, "We ship pets, wolves and turnips by order", min_confidence=0)["answers"][0]
    assert (best["faq_id"], best["question"], best["matched_question"]) == ("passage", "", None)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"category": "returns"}, {"refund"}),
        ({"category": ["returns", "account"]}, {"refund", "password"}),
        ({"year": {"gte": 2025}}, {"password"}),
        ({"year": 2024}, {"refund"}),
        ({"public": True}, {"refund"}),
        ({"tags": "money"}, {"delivery"}),
        ({"category": "nothing such"}, set()),
    ],
)
def test_answers_match_the_filters(client: TestClient, filters: dict[str, object], expected: set[str]) -> None:
    reply = ask(client, "refund", filters=filters, min_confidence=0, top_k=4)
    assert {answer["faq_id"] for answer in reply["answers"]} == expected


def test_a_batch_is_answered_in_order_and_like_single_questions(client: TestClient) -> None:
    questions = ["When do I get my money back?", "zzz", "I lost my password"]
    response = client.post("/v1/ask/batch", json={"questions": questions, "top_k": 1})
    assert response.status_code == 200
    results = response.json()["results"]
    for question, result in zip(questions, results, strict=True):
        alone = ask(client, question, top_k=1)
        of_this_request = {"request_id": "", "took_ms": 0, "feedback_token": ""}
        assert alone | of_this_request == result | of_this_request
    assert [result["request_id"] for result in results] == [
        f"{response.headers['X-Request-ID']}-{n}" for n in (1, 2, 3)
    ]


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(body)
    assert (body["status"], body["code"]) == (status, code)
    return body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "question"),
        ({"question": ""}, "question"),
        ({"question": "   "}, "question"),
        ({"question": "x" * 1001}, "question"),
        ({"question": 5}, "question"),
        ({"question": None}, "question"),
        ({"question": "a\x00b"}, "question"),
        ({"question": "q", "top_k": 0}, "top_k"),
        ({"question": "q", "top_k": 51}, "top_k"),
        ({"question": "q", "top_k": "3"}, "top_k"),
        ({"question": "q", "top_k": 1.5}, "top_k"),
        ({"question": "q", "min_confidence": 1.1}, "min_confidence"),
        ({"question": "q", "min_confidence": -0.1}, "min_confidence"),
        ({"question": "q", "treshold": 0.5}, "treshold"),
        ({"question": "q", "filters": {"colour": "red"}}, "filters.colour"),
        ({"question": "q", "filters": {"category": {"gte": 1}}}, "filters.category"),
        ({"question": "q", "filters": {"year": {}}}, "filters.year"),
        ({"question": "q", "filters": {"year": []}}, "filters.year"),
        ({"question": "q", "filters": {"year": {"gt": 1}}}, "filters.year"),
        ({"question": "q", "filters": [1]}, "filters"),
    ],
)
def test_an_error_names_the_invalid_field(client: TestClient, body: object, field: str) -> None:
    refusal = problem(client.post("/v1/ask", json=body), 422, "invalid_input")
    assert any(error["field"].startswith(field) for error in refusal["errors"]), refusal


@pytest.mark.parametrize(
    "body",
    [
        b'{"question": ',
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"question": "\\ud800"}',
        b'{"question": "q", "min_confidence": NaN}',
        b'{"question": "q", "top_k": 1e999}',
        b'{"question": "q", "filters": {"year": {"gte": Infinity}}}',
        b"[]",
        b"null",
    ],
)
def test_a_body_that_is_not_valid_json_is_refused(client: TestClient, body: bytes) -> None:
    response = client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert response.json()["code"] in ("invalid_input", "invalid_json")


def test_another_content_type_is_refused(client: TestClient) -> None:
    problem(client.post("/v1/ask", content="question=q"), 415, "unsupported_media_type")
    problem(client.post("/v1/ask", data={"question": "q"}), 415, "unsupported_media_type")
    accepted = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post("/v1/ask", content=b'{"question": "q"}', headers=accepted).status_code == 200


def test_a_batch_has_1_to_32_questions(client: TestClient) -> None:
    problem(client.post("/v1/ask/batch", json={"questions": ["q"] * 33}), 413, "too_large")
    assert client.post("/v1/ask/batch", json={"questions": ["q"] * 32}).status_code == 200
    problem(client.post("/v1/ask/batch", json={"questions": []}), 422, "invalid_input")
    refusal = problem(client.post("/v1/ask/batch", json={"questions": ["q", ""]}), 422, "invalid_input")
    assert refusal["errors"][0]["field"] == "questions.1"


def test_a_body_over_the_limit_is_refused(client: TestClient) -> None:
    big = b'{"question": "' + b"x" * 300_000 + b'"}'
    problem(client.post("/v1/ask", content=big, headers={"Content-Type": "application/json"}), 413, "too_large")
    chunks = (big[i : i + 50_000] for i in range(0, len(big), 50_000))
    problem(client.post("/v1/ask", content=chunks, headers={"Content-Type": "application/json"}), 413, "too_large")


def test_errors_of_routing_are_problems_too(client: TestClient) -> None:
    assert problem(client.get("/nowhere"), 404, "not_found")["instance"] == "/nowhere"
    problem(client.get("/v1/ask"), 405, "method_not_allowed")
    problem(client.delete("/livez"), 405, "method_not_allowed")


def test_the_callers_request_id_is_echoed_and_the_services_is_in_the_body(client: TestClient) -> None:
    response = client.post("/v1/ask", json={"question": "q"}, headers={"X-Request-ID": "theirs-1"})
    assert response.headers["X-Request-ID"] == "theirs-1"
    assert response.json()["request_id"] != "theirs-1"
    response = client.get("/nowhere", headers={"X-Request-ID": "bad id\x7f" * 50})
    assert response.headers["X-Request-ID"] == response.json()["request_id"]


def test_a_cached_reply_equals_the_first_reply(client: TestClient) -> None:
    question = "When do I get my money back, please?"
    first, second = ask(client, question), ask(client, question)
    of_this_request = {"request_id": "", "took_ms": 0, "feedback_token": ""}
    assert first | of_this_request == second | of_this_request
    assert first["request_id"] != second["request_id"]
    assert len(ask(client, question, min_confidence=0, top_k=4)["answers"]) == 4
    assert ask(client, question, min_confidence=1)["status"] == "no_answer"
    filtered = ask(client, question, min_confidence=0, filters={"category": "account"})["answers"]
    assert [answer["faq_id"] for answer in filtered] == ["password"]
    twice = client.post("/v1/ask/batch", json={"questions": [question, "a wolf", question]}).json()["results"]
    assert twice[0]["answers"] == twice[2]["answers"] == first["answers"]


def test_a_filter_on_1_does_not_get_the_cached_reply_for_true(client: TestClient) -> None:
    assert ask(client, "refund", filters={"public": True}, min_confidence=0)["answers"]
    other = client.post("/v1/ask", json={"question": "refund", "filters": {"public": 1}, "min_confidence": 0})
    assert problem(other, 422, "invalid_input")["errors"][0]["field"] == "filters.public"


MARKED = [
    Entry(
        id="sign-in",
        question="How do I reset my password?",
        answer="Use **the link** [below](https://shop.example/reset).\n\n- or `call`\n- or <b onclick='x()'>write</b>"
        "<script>alert(1)</script>",
    ),
    Entry(id="fee", question="What is the delivery fee?", answer="Free if a < b, else <order number> euros."),
]


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[TestClient]:
    settings = Settings(home=tmp_path_factory.mktemp("marked"), admin_keys=("a" * 64,))
    fill(settings, MARKED)
    publish_home(settings, bundle)
    with checked_client(settings) as client:
        yield client


def test_an_answer_is_returned_as_imported_and_on_request_as_sanitised_html(marked: TestClient) -> None:
    plain = ask(marked, "How do I reset my password?")["answers"][0]
    assert plain["answer"] == MARKED[0].answer
    assert "answer_html" not in plain
    for _ in range(2):  # rendered, then from the cache
        best = ask(marked, "How do I reset my password?", render="html")["answers"][0]
        assert {**best, "answer_html": None} == {**plain, "answer_html": None}
        assert best["answer_html"] == (
            "<p>Use <strong>the link</strong> "
            '<a href="https://shop.example/reset" rel="nofollow noopener">below</a>.</p>\n'
            "<ul>\n<li>or <code>call</code></li>\n<li>or <b>write</b></li>\n</ul>"
        )


def test_a_batch_has_html_on_request(marked: TestClient) -> None:
    questions = ["How do I reset my password?", "What is the delivery fee?"]
    results = marked.post("/v1/ask/batch", json={"questions": questions, "render": "html"}).json()["results"]
    assert results[1]["answers"][0]["answer_html"] == "<p>Free if a &lt; b, else &lt;order number&gt; euros.</p>"
    assert "<strong>the link</strong>" in results[0]["answers"][0]["answer_html"]


@pytest.mark.parametrize("render", ["markdown", "", True, ["html"]])
def test_answers_are_rendered_as_html_only(marked: TestClient, render: object) -> None:
    response = marked.post("/v1/ask", json={"question": "fee", "render": render})
    assert response.status_code == 422
