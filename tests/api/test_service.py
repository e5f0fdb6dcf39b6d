"""Health, metrics, the OpenAPI document, and a service without a release."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.errors import Busy
from app.main import create_app
from app.settings import Settings


def test_without_a_release_the_service_answers_503_and_says_what_to_do(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        assert client.get("/livez").json() == {"status": "alive"}
        for response in (client.get("/readyz"), client.post("/v1/ask", json={"question": "q"})):
            assert response.status_code == 503
            assert response.json()["code"] == "not_ready"
            assert "make run" in response.json()["detail"]
            assert int(response.headers["Retry-After"]) > 0


def test_ready_names_the_release(client: TestClient) -> None:
    assert client.get("/readyz").json()["release"].startswith("faq-")


def test_the_service_is_not_ready_if_the_bundle_is_damaged(published: Settings) -> None:
    bundle = next((published.home / "models").iterdir())
    (bundle / "model.onnx").write_bytes(b"x")
    with TestClient(create_app(published)) as client:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert "model.onnx is not the file that was exported" in response.json()["detail"]


def test_a_second_service_on_the_same_home_is_refused(published: Settings) -> None:
    with (
        TestClient(create_app(published)),
        pytest.raises(Busy, match="Another service is running on"),
        TestClient(create_app(published)),
    ):
        pass


def test_metrics_and_releases_say_that_a_release_is_not_calibrated(admin: TestClient) -> None:
    assert "faqtual_release_calibrated 0.0" in admin.get("/metrics").text
    (release,) = admin.get("/v1/admin/releases").json()["releases"]
    assert release["calibrated"] is False
    assert release["problems"] == ["Only 0 held-out questions are answered by an entry; calibration needs 30."]
    assert (release["threshold"], release["offer_threshold"], release["figures"]) == (None, None, {})


def test_metrics_count_questions_and_requests(client: TestClient) -> None:
    before = client.get("/metrics").text
    assert 'faqtual_questions_total{status="no_answer"} 0.0' in before
    client.post("/v1/ask", json={"question": "zzz"})
    client.post("/v1/ask/batch", json={"questions": ["zzz", "When will I get my refund?"]})
    client.get("/made/up")
    after = client.get("/metrics").text
    assert 'faqtual_questions_total{status="no_answer"} 2.0' in after
    assert 'faqtual_requests_total{route="/v1/ask",status="200"} 1.0' in after
    assert 'faqtual_requests_total{route="none",status="404"} 1.0' in after
    assert "/made/up" not in after
    assert "faqtual_release_info{release=" in after


def routes(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_lists_problems_for_every_error(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["components"]["schemas"]["Problem"]
    assert "HTTPValidationError" not in str(document)
    for path, method, operation in routes(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (path, method, status)
        assert ("security" in operation) == path.startswith("/v1/admin"), path


def test_the_document_shows_what_asking_takes(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for path, model in (("/v1/ask", "Ask"), ("/v1/ask/batch", "AskBatch")):
        operation = document["paths"][path]["post"]
        assert [parameter["name"] for parameter in operation["parameters"]] == ["X-Request-Timeout-Ms"]
        assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith(f"/{model}")
        assert {"429", "504"} <= set(operation["responses"])


def test_the_document_says_whether_asking_takes_a_key(published: Settings) -> None:
    for keys in ((), ("a" * 64,)):
        document = create_app(published.model_copy(update={"ask_keys": keys})).openapi()
        assert ("security" in document["paths"]["/v1/ask"]["post"]) == bool(keys)


def test_the_pages_are_served(client: TestClient) -> None:
    assert "text/html" in client.get("/").headers["content-type"]
    assert client.get("/docs").status_code == 200
