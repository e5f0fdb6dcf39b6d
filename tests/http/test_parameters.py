"""Unknown query parameters are refused."""

import re

from fastapi.testclient import TestClient


def test_an_unknown_query_parameter_is_refused_on_every_route(admin: TestClient) -> None:
    document = admin.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            address = re.sub(r"{\w+}", "x", path)
            response = admin.request(method, f"{address}?flavour=x", headers={"Content-Type": "application/json"})
            assert (response.status_code, response.json()["code"]) == (422, "invalid_input"), (method, path)
            assert response.json()["errors"][0]["field"] == "flavour", (method, path)


def test_the_message_names_the_nearest_parameter_or_all_of_them(admin: TestClient) -> None:
    near = admin.get("/v1/admin/entries?serach=refund&limit=3").json()
    assert near["detail"] == "serach: There is no query parameter `serach`; did you mean `search`?"
    far = admin.get("/v1/admin/entries?flavour=x&colour=y").json()
    assert [error["field"] for error in far["errors"]] == ["flavour", "colour"]
    assert "`after`, `limit`, `metadata`, `search`" in far["detail"]
    assert "there are none here" in admin.get("/livez?verbose=1").json()["detail"]


def test_an_unknown_field_of_a_body_is_refused_with_the_nearest_one(client: TestClient) -> None:
    problem = client.post("/v1/ask", json={"question": "q", "topk": 1}).json()
    assert problem["errors"] == [{"field": "topk", "message": "There is no field `topk`; did you mean `top_k`?"}]


def test_without_a_key_the_answer_does_not_mention_parameters(client: TestClient) -> None:
    assert client.get("/v1/admin/entries?flavour=x").status_code == 401


def test_links_to_pages_may_have_unknown_parameters(client: TestClient) -> None:
    for address in ("/?q=refund&utm_source=mail", "/docs?utm_source=mail"):
        assert client.get(address).status_code == 200
