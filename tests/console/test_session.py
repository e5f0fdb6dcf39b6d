"""Signing in, the cookie, the token of forms, and what each scope may do."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from app.http.security import digest_of
from app.keys import KeyScope, NamedKey
from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.console.conftest import SCOPED, Person, browser


def test_a_visitor_is_led_to_the_form_and_back_to_the_page(visitor: TestClient) -> None:
    refused = visitor.get("/console/entries?search=refund", follow_redirects=False)
    assert (refused.status_code, refused.headers["Location"]) == (303, "login?next=entries%3Fsearch%3Drefund")
    data = {"key": ADMIN_KEY, "next": "entries?search=refund"}
    entered = visitor.post("/console/login", data=data, follow_redirects=False)
    assert (entered.status_code, entered.headers["Location"]) == (303, "entries?search=refund")
    assert visitor.get("/console/entries").status_code == 200


@pytest.mark.parametrize(
    "elsewhere", ["https://example.org/", "//example.org", "/other", "javascript:x", "\\\\x", "../v1"]
)
def test_signing_in_leads_to_no_other_site(visitor: TestClient, elsewhere: str) -> None:
    data = {"key": ADMIN_KEY, "next": elsewhere}
    assert visitor.post("/console/login", data=data, follow_redirects=False).headers["Location"] == "today"


@pytest.mark.parametrize(("key", "said"), [("wrong", "not known"), ("", "Paste a key")])
def test_a_wrong_key_opens_nothing_and_is_told(visitor: TestClient, key: str, said: str) -> None:
    response = visitor.post("/console/login", data={"key": key})
    assert response.status_code == 401
    assert said in response.text
    assert "set-cookie" not in response.headers


def test_the_cookie_is_for_this_site_and_out_of_reach_of_scripts(visitor: TestClient) -> None:
    plain = visitor.post("/console/login", data={"key": ADMIN_KEY}, follow_redirects=False).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in plain.split(";")}
    assert "Secure" not in plain
    assert ADMIN_KEY not in plain
    safe = visitor.post("https://testserver/console/login", data={"key": ADMIN_KEY}, follow_redirects=False)
    assert "Secure" in safe.headers["set-cookie"]


def test_a_forged_or_altered_cookie_signs_nobody_in(visitor: TestClient) -> None:
    Person(visitor).sign_in(ADMIN_KEY)
    cookie = visitor.cookies["faqtual_session"]
    for forged in (cookie[:-2] + "xx", "x" + cookie, digest_of(ADMIN_KEY), ""):
        visitor.cookies.clear()
        visitor.cookies.set("faqtual_session", forged)
        assert visitor.get("/console/entries", follow_redirects=False).status_code == 303


def test_signing_out_ends_the_session(person: Person) -> None:
    assert person.send("logout") == "login"
    assert person.client.get("/console/entries", follow_redirects=False).status_code == 303


def test_a_session_survives_a_restart_and_ends_with_its_key(settings: Settings) -> None:
    keyed = settings.model_copy(update={"keys": (NamedKey("ann", "edit", digest_of(SCOPED["edit"])),)})
    with browser(keyed) as client:
        Person(client).sign_in(SCOPED["edit"])
        cookie = client.cookies["faqtual_session"]
    for settings, status in ((keyed, 200), (keyed.model_copy(update={"keys": ()}), 303)):
        with browser(settings) as client:
            client.cookies.set("faqtual_session", cookie)
            assert client.get("/console/entries", follow_redirects=False).status_code == status


@pytest.mark.parametrize("address", ["entries-bulk", "entry", "undo", "logout", "restore", "preview"])
def test_a_form_without_its_token_changes_nothing(person: Person, address: str) -> None:
    for token in ("", "other"):
        assert "form has expired" in person.send(address, 403, csrf=token)


def test_a_form_of_another_site_is_refused(person: Person) -> None:
    headers = {"Origin": "https://example.org"}
    for address in ("login", "undo"):
        data = {"csrf": person.token, "key": ADMIN_KEY}
        response = person.client.post(f"/console/{address}", data=data, headers=headers, follow_redirects=False)
        assert response.status_code == 403
        assert "Another site" in response.text


PLACES: dict[KeyScope, dict[str, int]] = {
    "ask": {"entries": 403, "today": 403, "try": 200, "releases": 403, "import": 403},
    "edit": {"entries": 200, "today": 200, "try": 200, "releases": 200, "import": 200},
    "publish": {"entries": 403, "today": 200, "try": 200, "releases": 200, "import": 403},
}


@pytest.mark.parametrize("scope", PLACES)
def test_a_person_sees_and_reaches_what_the_scope_allows(
    person_with: Callable[[KeyScope], Person], scope: KeyScope
) -> None:
    person = person_with(scope)
    for place, status in PLACES[scope].items():
        page = person.see(place, status)
        for other, allowed in PLACES[scope].items():
            assert (f'href="{other}"' in page.partition("</nav>")[0]) == (allowed == 200)


def test_every_page_has_the_policy_of_the_console(person: Person) -> None:
    for address in ("login", "today", "entries", "new", "entry?id=refund", "nothing"):
        headers = person.client.get(f"/console/{address}").headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "connect-src": "'self'",
            "img-src": "'self' data:",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert headers["Cache-Control"] == "no-store"


def test_an_unknown_address_is_a_page_that_leads_back(person: Person) -> None:
    page = person.see("nothing", 404)
    assert "There is no such page" in page
    assert 'href="start"' in page
