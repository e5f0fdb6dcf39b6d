"""The pages: their headers and caching, and that their content security policy allows all they need."""

import hashlib
import re
from importlib.resources import files

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.settings import Settings
from app.web.pages import router
from app.web.site import MODULES, Site
from tests.outline import Outline

PAGES = ["/", "/docs"]
ASSETS = ["page.css", "page.js", *MODULES, "docs.css", "docs.js"]
SCRIPTS = ["page.js", *MODULES]
SWAGGER = ["swagger/swagger-ui.css", "swagger/swagger-ui-bundle.js"]
SINKS = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]


def client_of(settings: Settings) -> TestClient:
    app = FastAPI(docs_url=None)
    app.state.site = Site(settings)
    app.include_router(router)
    return TestClient(app)


@pytest.fixture(scope="module")
def client() -> TestClient:
    return client_of(Settings())


def addresses(client: TestClient, page: str) -> list[str]:
    outline = Outline(client.get(page).text)
    return outline.attributes("script", "src") + [
        href for href in outline.attributes("link", "href") if not href.startswith("data:")
    ]


@pytest.mark.parametrize("path", [*PAGES, *(f"/static/{name}" for name in [*ASSETS, *SWAGGER])])
def test_every_file_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/docs", "text/html"),
        ("/static/page.css", "text/css"),
        ("/static/page.js", "text/javascript"),
        ("/static/swagger/swagger-ui.css", "text/css"),
        ("/static/swagger/swagger-ui-bundle.js", "text/javascript"),
    ],
)
def test_every_file_has_its_media_type(client: TestClient, path: str, kind: str) -> None:
    assert client.get(path).headers["Content-Type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize("path", [*PAGES, "/static/page.css", "/static/page.js"])
def test_an_unchanged_file_is_answered_with_304(client: TestClient, path: str) -> None:
    first = client.get(path)
    etag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "no-cache"
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        cached = client.get(path, headers={"If-None-Match": known})
        assert (cached.status_code, cached.content) == (304, b"")
        assert cached.headers["ETag"] == etag
        assert cached.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == first.content


@pytest.mark.parametrize(("page", "assets"), [("/", 3 + len(MODULES) + 1), ("/docs", 4)])
def test_a_page_names_its_assets_by_content(client: TestClient, page: str, assets: int) -> None:
    named = addresses(client, page)
    assert len(named) == assets
    for address in named:
        response = client.get(f"/{address}")
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_module_names_what_it_imports_by_content(client: TestClient) -> None:
    """The browser loads each module once, from the address that the page announced."""
    announced = set(addresses(client, "/"))
    for name in SCRIPTS:
        imported = re.findall(r'^import .* from "\./(.+)";$', client.get(f"/static/{name}").text, re.M)
        assert {f"static/{address}" for address in imported} <= announced


def test_an_address_of_another_version_is_revalidated(client: TestClient) -> None:
    response = client.get("/static/page.js?v=0123456789abcdef")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "name", ["nothing.js", "page.html", "pages.py", "__init__.py", "..%2Fpages.py", "page.css%00", "swagger/README.md"]
)
def test_an_unknown_asset_is_not_found(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/static/page.js"])
def test_head_has_the_headers_of_get(client: TestClient, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert head.status_code == 200
    assert head.headers == got.headers


def test_the_pages_are_not_in_the_openapi_document(client: TestClient) -> None:
    assert client.get("/openapi.json").json()["paths"] == {}


@pytest.mark.parametrize("page", PAGES)
def test_the_html_is_well_formed_and_has_no_inline_code(client: TestClient, page: str) -> None:
    outline = Outline(client.get(page).text)
    assert outline.inline == []
    for tag, attrs in outline.tags:
        assert "style" not in attrs, tag
        assert not [name for name in attrs if name.startswith("on")], tag
        assert not (attrs.get("href") or "").startswith("javascript:"), tag
        assert not re.match(r"https?:|//", attrs.get("href") or attrs.get("src") or ""), tag


def test_ids_are_unique_and_used(client: TestClient) -> None:
    outline = Outline(client.get("/").text)
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert set(outline.attributes("label", "for")) == {"question"}
    scripts = "".join(_source(name) for name in SCRIPTS)
    assert {"ask", "question", "message", "results", "hint", "status", "small-print", "forget", "home"} <= set(ids)
    assert {"suggestions"} == set(outline.attributes("textarea", "aria-controls"))
    for used in re.findall(r'\$\("([a-z-]+)"\)', scripts):
        assert used in ids or f'id: "{used}"' in scripts, used


def _source(name: str) -> str:
    return files("app.web").joinpath(name).read_text("utf-8")


def test_a_person_can_use_it_without_a_mouse(client: TestClient) -> None:
    outline = Outline(client.get("/").text)
    assert ("html", {"lang": "en"}) in outline.tags
    (question,) = [attrs for tag, attrs in outline.tags if tag == "textarea"]
    assert (question["maxlength"], question["id"]) == ("1000", "question")
    assert "autofocus" in question
    assert any(attrs.get("role") == "status" for _, attrs in outline.tags)
    assert "docs" in outline.attributes("a", "href")


@pytest.mark.parametrize("name", ASSETS)
def test_assets_load_nothing_from_other_hosts(name: str) -> None:
    text = _source(name)
    assert not [sink for sink in SINKS if sink in text]
    assert text.count("DOMParser") == (name == "answers.js")  # in `rendered`, for HTML that the service has sanitised
    assert not re.search(r"https?://\w|@import|url\(", text)


def test_the_documentation_is_swagger_ui_as_it_was_published() -> None:
    folder = files("app.web").joinpath("swagger")
    listed = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", folder.joinpath("README.md").read_text("utf-8"), re.M))
    assert {f"swagger/{name}" for name in listed} == set(SWAGGER)
    for name, digest in listed.items():
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == digest
    assert "Apache License" in folder.joinpath("LICENSE").read_text("utf-8")


def test_the_pages_work_below_a_path_prefix(client: TestClient) -> None:
    """Every address in a page is relative, so that a proxy may serve it below a path."""
    for page in PAGES:
        outline = Outline(client.get(page).text)
        for tag, name in (("a", "href"), ("link", "href"), ("script", "src")):
            assert not [value for value in outline.attributes(tag, name) if value.startswith("/")]
    assert re.findall(r"fetch\((.{4})", "".join(map(_source, SCRIPTS))) == ["`v1/", "`v1/"]
