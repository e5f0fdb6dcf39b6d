"""One service and one Chromium for the tests of this room. Chromium can reach 127.0.0.1 and nothing else."""

import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, sync_playwright

from app.encoding.bundle import Bundle
from app.http.security import digest_of
from app.settings import Settings
from tests.browser.faq import ENTRIES
from tests.browser.hosting import Host, hosting
from tests.browser.people import PATIENCE_S, Person, View
from tests.conftest import ADMIN_KEY, fill, publish_home
from tests.faults.service import Service, service

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]

Visits = Callable[..., Person]


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    """A web server of somebody else."""
    with hosting() as running:
        yield running


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle, host: Host) -> Iterator[Service]:
    """The service, on a published FAQ that is partly hostile."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; on Debian: apt-get install chromium")
    settings = Settings(
        home=tmp_path_factory.mktemp("browser") / "home",
        port=0,
        admin_keys=(digest_of(ADMIN_KEY),),
        log_questions="redacted",
        auto_reindex="off",
        widget_origins=(host.url,),
    )
    fill(settings, ENTRIES)
    publish_home(settings, bundle)
    with service(settings) as running:
        yield running


@pytest.fixture(scope="package")
def chromium(running: Service) -> Iterator[Browser]:
    """Started after the service: while Playwright's synchronous interface is in use, `asyncio.run` cannot be."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, running: Service, host: Host) -> Iterator[Visits]:
    """Makes people at pages. At the end, no page may have said anything on its console, or have asked another origin.

    `expecting`: what the console may say, such as the status of a request that is meant to fail.
    """
    said: list[str] = []
    strayed: list[str] = []
    contexts: list[BrowserContext] = []

    def visit(view: View, expecting: str | None = None) -> Person:
        context = chromium.new_context(
            viewport={"width": view.width, "height": view.height}, color_scheme="dark" if view.dark else "light"
        )
        context.set_default_timeout(PATIENCE_S * 1000)
        contexts.append(context)
        page = context.new_page()
        _watch(page, said, expecting)
        page.on("request", follow)
        return Person(page, view, running.url)

    def follow(request: Request) -> None:
        if _origin(request.url) not in {running.url, host.url, ""}:
            strayed.append(request.url)

    yield visit
    for context in contexts:
        context.close()
    assert strayed == []
    assert said == []


def _watch(page: Page, said: list[str], expecting: str | None) -> None:
    def hear(message: ConsoleMessage) -> None:
        if expecting is None or expecting not in message.text:
            said.append(f"{page.url}: {message.type}: {message.text}")

    def answer(dialog: Dialog) -> None:
        said.append(f"{page.url}: {dialog.type}: {dialog.message}")
        dialog.accept()

    page.on("console", hear)
    page.on("dialog", answer)
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


@pytest.fixture
def signed_in(visit: Visits) -> Visits:
    """Makes people who are signed in to the console."""

    def sign_in(view: View, expecting: str | None = None) -> Person:
        person = visit(view, expecting)
        person.open("console")
        person.write(person.page.get_by_label("Key"), ADMIN_KEY)
        person.page.keyboard.press("Enter")
        person.page.wait_for_url("**/console/today")
        return person

    return sign_in
