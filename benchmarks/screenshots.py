"""The pictures of the documentation: ask page, widget and console of a service that holds the sample FAQ.

    python -m benchmarks.screenshots [--bundle DIR] [--out docs/images]

Makes a home with the sample FAQ and the bundle, by default the base model, starts a service, asks it the sample
questions, and takes the pictures with Chromium (on Debian: apt-get install chromium). Needs the extra `dev`.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

from app.http.security import digest_of
from app.knowledge.files import read_entries
from app.knowledge.store import Store
from app.releases.reindexing import reindex
from app.releases.sources import BASE
from app.settings import Settings
from tests.browser.hosting import hosting
from tests.conftest import ADMIN_KEY
from tests.faults.service import Service, service

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
BATCH, ASKED = 20, 200
OFTEN = [  # what the queue of unanswered questions shows first
    "parcel overdue by 3 days, what now",
    "parcel 3 days overdue, what now",
    "parcel overdue for three days, what now??",
    "parcel overdue since 3 days what to do now",
] * 3


@dataclass(frozen=True)
class Picture:
    """A page, how it is shown, and what is done on it before the picture is taken."""

    name: str
    address: str
    dark: bool = False
    size: tuple[int, int] = (1280, 800)
    act: Callable[[Page], None] = lambda page: None


def type_words(page: Page) -> None:
    """Type the beginning of a question, and go to the first suggestion."""
    page.get_by_role("combobox").press_sequentially("refund")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")


def ask_widget(page: Page) -> None:
    """Ask the widget in the page."""
    page.locator("faq-widget").first.get_by_label("Your question").fill("Can I pay by invoice?")
    page.keyboard.press("Enter")
    page.locator("faq-widget").first.get_by_text("Was this helpful?").first.wait_for()


PICTURES = (
    Picture("page", "?" + urlencode({"q": "how many days until I get my money back"})),
    Picture("page-choice", "?" + urlencode({"q": "parcel overdue by 3 days, what now"}), dark=True),
    Picture("page-suggestions", "", size=(390, 700), act=type_words),
    Picture("console-today", "console/today"),
    Picture("console-entry", "console/entry?id=refund-time"),
    Picture(
        "console-try", "console/try?" + urlencode({"question": "how many days until I get my money back"}), dark=True
    ),
    Picture("console-unanswered", "console/unanswered"),
)
WIDGET = Picture("widget", "widget.html", size=(900, 700), act=ask_widget)


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundle", type=Path, default=None, help="for instance that of `make run`, in runs/")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, hosting() as host:
        settings = Settings(
            home=Path(directory) / "home",
            port=0,
            admin_keys=(digest_of(ADMIN_KEY),),
            log_questions="redacted",
            widget_origins=(host.url,),
        )
        store = Store.open(settings.sqlalchemy_url)
        store.import_entries(read_entries(DATA / "faq.jsonl").entries, "replace", by="command line")
        store.close()
        reindex(settings, options.bundle or BASE)
        with service(settings) as running:
            ask(running)
            host.service = running.url
            take_all(running.url, host.url, options.out)


def ask(running: Service) -> None:
    """Ask the sample questions, and those that nothing answers."""
    lines = [*_lines("questions.jsonl")[:ASKED], *_lines("unanswerable.jsonl")]
    texts = [*(str(json.loads(line)["question"]) for line in lines), *OFTEN]
    for start in range(0, len(texts), BATCH):
        body = {"questions": texts[start : start + BATCH]}
        assert running.client.post("/v1/ask/batch", json=body).status_code == 200
    running.wait(lambda: running.client.get("/v1/admin/questions?limit=1").json()["questions"])


def take_all(url: str, host: str, out: Path) -> None:
    """Take the pictures with the Chromium that is installed."""
    executable = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for picture in PICTURES:
            take(browser, url, picture, out)
        take(browser, host, WIDGET, out)
        browser.close()


def take(browser: Browser, origin: str, picture: Picture, out: Path) -> None:
    """Show the page, wait for its parts, and keep the picture."""
    width, height = picture.size
    page = browser.new_page(
        color_scheme="dark" if picture.dark else "light", viewport={"width": width, "height": height}
    )
    if picture.address.startswith("console"):
        sign_in(page, origin)
    page.goto(f"{origin}/{picture.address}")
    page.wait_for_load_state("networkidle")
    picture.act(page)
    page.screenshot(path=out / f"{picture.name}.png")
    page.context.close()


def sign_in(page: Page, origin: str) -> None:
    """Sign in to the console."""
    page.goto(f"{origin}/console")
    page.get_by_label("Key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/today")


def _lines(name: str) -> list[str]:
    return (DATA / name).read_text("utf-8").splitlines()


if __name__ == "__main__":
    main()
