"""The console in Chromium: a journey by keyboard alone, and every page at three widths in both colour schemes."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.faults.service import service

CHROMIUM = shutil.which("chromium")
PAGES = (
    "today",
    "unanswered",
    "entries",
    "entry?id=refund",
    "new",
    "golden",
    "try?question=my+money",
    "releases",
    "import",
)
WIDTHS = (360, 768, 1440)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; on Debian: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def url(keyed: Settings) -> Iterator[str]:
    with service(keyed.model_copy(update={"port": 0})) as running:
        yield running.url


@pytest.fixture(scope="module")
def browser(url: str) -> Iterator[Browser]:  # after the service: Playwright's event loop lets no other one begin
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def signed_in(browser: Browser, url: str, complaints: list[str], scheme: str = "light") -> Page:
    """A page of a person who is signed in; what the browser complains of, and asks other hosts for, is kept."""
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on("request", lambda request: None if request.url.startswith(url) else complaints.append(request.url))
    page.goto(f"{url}/console")
    page.get_by_label("Key").focus()
    page.keyboard.type(ADMIN_KEY)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/today")
    return page


def test_an_entry_is_written_found_archived_and_brought_back_by_keyboard(browser: Browser, url: str) -> None:
    complaints: list[str] = []
    page = signed_in(browser, url, complaints)
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/console/entries")
    page.keyboard.press("n")
    page.wait_for_url("**/console/new")
    page.locator("#question").focus()
    page.keyboard.type("May I bring a turnip?")
    page.get_by_label("Answer", exact=True).focus()
    page.keyboard.type("**Yes**, please.")
    page.locator("#preview strong", has_text="Yes").wait_for()
    page.get_by_label("Add a phrasing").focus()
    page.keyboard.type("Are turnips welcome?")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+s")
    page.wait_for_url("**/console/entry?id=*")
    assert page.locator(".chip textarea").first.input_value() == "Are turnips welcome?"
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/console/entries")
    page.keyboard.press("/")
    page.keyboard.type("TURNIP?")
    page.get_by_text("1 entry", exact=True).wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("button", name="Archive").focus()
    page.keyboard.press("Enter")
    page.get_by_text("1 entry archived").wait_for()
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Undone.").wait_for()
    assert "May I bring a turnip?" in page.locator("#list").inner_text()
    assert complaints == []
    page.context.close()


def test_a_choice_stays_when_a_change_is_refused(browser: Browser, url: str) -> None:
    page = signed_in(browser, url, [])
    page.goto(f"{url}/console/entries?search=fee")
    page.get_by_label("Choose What is the delivery fee?").check()
    page.evaluate("document.querySelector('[data-row] input').value = '\"0-stale\" delivery'")
    page.get_by_role("button", name="Archive").click()
    page.get_by_text("others changed").wait_for()
    assert page.get_by_label("Choose What is the delivery fee?").is_checked()
    page.get_by_text("1 chosen").wait_for()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_every_width_and_nothing_is_complained_of(browser: Browser, url: str, scheme: str) -> None:
    complaints: list[str] = []
    page = signed_in(browser, url, complaints, scheme)
    for address in PAGES:
        page.goto(f"{url}/console/{address}")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, width)
    assert complaints == []
    page.context.close()


def test_polling_rests_in_the_background(browser: Browser, url: str) -> None:
    page = signed_in(browser, url, [])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    hide = "Object.defineProperty(document, 'visibilityState', {get: () => 'hidden', configurable: true})"
    page.evaluate(hide)
    page.wait_for_timeout(4_500)
    assert not [address for address in asked if address.endswith("/state")]
    page.evaluate("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)
    assert [address for address in asked if address.endswith("/state")]
    page.context.close()
