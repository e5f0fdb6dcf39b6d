"""The pictures of the documentation: pages of the console, of a service that holds the sample FAQ.

    python -m benchmarks.screenshots [--bundle DIR] [--out docs/images]

Makes a home with the sample FAQ and the bundle, by default the base model, starts a service, asks it the sample
questions, and takes the pictures with Chromium (on Debian: apt-get install chromium). Needs the extra `dev`.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

from app.http.security import digest_of
from app.knowledge.files import read_entries
from app.knowledge.store import Store
from app.releases.reindexing import reindex
from app.releases.sources import BASE
from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.faults.service import Service, service

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
WIDTH, HEIGHT = 1280, 800
BATCH, ASKED = 20, 200
OFTEN = ["parcel overdue by 3 days, what now"] * 3  # what the queue of unanswered questions shows first


class Picture(NamedTuple):
    """A page, and in which colours it is shown."""

    name: str
    address: str
    dark: bool = False


PICTURES = (
    Picture("console-entry", "entry?id=refund-time"),
    Picture("console-try", "try?" + urlencode({"question": "how many days until I get my money back"}), True),
    Picture("console-unanswered", "unanswered"),
)


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundle", type=Path, default=None, help="for instance that of `make run`, in runs/")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(
            home=Path(directory) / "home", port=0, admin_keys=(digest_of(ADMIN_KEY),), log_questions="redacted"
        )
        store = Store.open(settings.sqlalchemy_url)
        store.import_entries(read_entries(DATA / "faq.jsonl").entries, "replace", by="command line")
        store.close()
        reindex(settings, options.bundle or BASE)
        with service(settings) as running:
            ask(running)
            take_all(running.url, options.out)


def ask(running: Service) -> None:
    """Ask the sample questions, and those that nothing answers."""
    lines = [*_lines("questions.jsonl")[:ASKED], *_lines("unanswerable.jsonl")]
    texts = [*(str(json.loads(line)["question"]) for line in lines), *OFTEN]
    for start in range(0, len(texts), BATCH):
        body = {"questions": texts[start : start + BATCH]}
        assert running.client.post("/v1/ask/batch", json=body).status_code == 200
    running.wait(lambda: running.client.get("/v1/admin/questions?limit=1").json()["questions"])


def take_all(url: str, out: Path) -> None:
    """Take the pictures with the Chromium that is installed."""
    executable = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for picture in PICTURES:
            take(signed_in(browser, url, picture.dark), f"{url}/console/{picture.address}", out / f"{picture.name}.png")
        browser.close()


def signed_in(browser: Browser, url: str, dark: bool) -> Page:
    """A page of somebody who is signed in to the console."""
    page = browser.new_page(color_scheme="dark" if dark else "light", viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(f"{url}/console")
    page.get_by_label("Key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/today")
    return page


def take(page: Page, url: str, path: Path) -> None:
    """Show the page, wait for its parts, and keep the picture."""
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path)
    page.context.close()


def _lines(name: str) -> list[str]:
    return (DATA / name).read_text("utf-8").splitlines()


if __name__ == "__main__":
    main()
