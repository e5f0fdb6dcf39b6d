"""People at a browser: each uses only the mouse, or only the keyboard."""

import hashlib
import re
import time
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Locator, Page

AXE = Path(__file__).parent / "axe"
SERIOUS = {"serious", "critical"}
MOST_TABS = 150
PATIENCE_S = 20


@dataclass(frozen=True)
class View:
    """How somebody looks at a page, and works with it."""

    width: int = 1440
    dark: bool = False
    keyboard: bool = False

    def __str__(self) -> str:
        return f"{self.width}-{'dark' if self.dark else 'light'}-{'keyboard' if self.keyboard else 'mouse'}"

    @property
    def height(self) -> int:
        """Of a telephone, a tablet and a laptop."""
        return {360: 740, 768: 1024}.get(self.width, 900)


VIEWS = [
    View(width, dark, keyboard) for width, dark, keyboard in product((360, 768, 1440), (False, True), (False, True))
]


class Person:
    """Works with one page. `url` is the service."""

    def __init__(self, page: Page, view: View, url: str) -> None:
        self.page = page
        self.view = view
        self.url = url

    def open(self, address: str) -> None:
        """Show a page of the service."""
        self.page.goto(f"{self.url}/{address}")

    def write(self, field: Locator, text: str) -> None:
        """Put `text` in place of what the field holds."""
        self.reach(field) if self.view.keyboard else field.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def press(self, control: Locator, key: str = "Enter") -> None:
        """Press a button or a link; boxes and radio buttons take the key `Space`."""
        if self.view.keyboard:
            self.reach(control)
            self.page.keyboard.press(key)
        else:
            control.click()

    def reach(self, control: Locator) -> None:
        """Tab until the control has the focus. Fails if it never has, or if the focus cannot be seen there."""
        control.wait_for()
        for _ in range(MOST_TABS):
            if control.evaluate("node => node.getRootNode().activeElement === node"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {control}")

    def wait(self, condition: str, argument: object = None) -> None:
        """Until a condition holds in the page. (Playwright's own waiting evaluates texts, which the policy forbids.)"""
        deadline = time.monotonic() + PATIENCE_S
        while not self._holds(condition, argument):
            assert time.monotonic() < deadline, f"{self.page.url}: {condition} does not hold"
            self.page.wait_for_timeout(50)

    def _holds(self, condition: str, argument: object) -> bool:
        try:
            return bool(self.page.evaluate(condition, argument))
        except Error as error:  # between two pages there is nothing to ask
            if "Execution context was destroyed" not in error.message:
                raise
            return False

    def sees(self, text: str | re.Pattern[str]) -> Locator:
        """The first element with this text, once it is visible."""
        shown = self.page.get_by_text(text).first
        shown.wait_for()
        return shown


@cache
def _axe() -> str:
    source = (AXE / "axe.min.js").read_bytes()
    assert hashlib.sha256(source).hexdigest() in (AXE / "README.md").read_text("utf-8"), "axe.min.js was changed"
    return source.decode()


def findings(page: Page) -> list[str]:
    """The serious and critical findings of axe on a page whose colours are at rest, with what they are about."""
    page.wait_for_function("document.getAnimations().every((animation) => animation.playState !== 'running')")
    page.evaluate(_axe())
    result: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{page.url}: {violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in result["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
