"""The templates and static files: no inline code or style, no text outside the texts, htmx as it was published."""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from app.console.login import STATIC
from app.console.page import HTMX
from tests.console.conftest import Person
from tests.outline import Outline

ROOM = Path(str(files("app.console")))
TEMPLATES = sorted(path.name for path in (ROOM / "templates").glob("*.html"))
PAGES = [
    "login",
    "today",
    "entries",
    "entry?id=refund",
    "new",
    "try",
    "try?question=my+money",
    "releases",
    "import",
    "nothing",
]
CODE = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
TAGS = re.compile(r"<[^>]*>|&\w+;|[\w-]+=\"[^\"]*\"")


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_text_of_a_template_comes_from_the_file_of_texts(template: str) -> None:
    text = (ROOM / "templates" / template).read_text("utf-8")
    assert not re.findall(r"[A-Za-z]{2,}", TAGS.sub(" ", CODE.sub(" ", text)))


def test_every_text_is_used() -> None:
    """A text is used by its whole name, or in a section that is read by a name that is not known beforehand."""
    sources = [*ROOM.glob("*.py"), *(ROOM / "templates").glob("*.html")]
    code = "\n".join(path.read_text("utf-8") for path in sources)
    unused = [name for name in _names(tomllib.loads((ROOM / "texts.toml").read_text("utf-8"))) if name not in code]
    chosen = ("time", "states", "flash", "errors", "nav", "fields", "editor", "today", "releases")
    assert not [name for name in unused if name.count(".") == 1 and name.partition(".")[0] not in chosen]


def _names(texts: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, value in texts.items():
        if isinstance(value, dict):
            yield from _names(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


@pytest.mark.parametrize("address", PAGES)
def test_pages_have_no_inline_code_and_load_only_their_own_files(person: Person, address: str) -> None:
    outline = Outline(person.see(address, 404 if address == "nothing" else 200))
    assert outline.inline == []
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in outline.tags:
        assert "style" not in attrs, tag
        assert not [name for name in attrs if name.startswith(("on", "hx-on"))], tag
        target = attrs.get("href") or attrs.get("src") or attrs.get("action") or ""
        assert not re.match(r"https?:|//|/|javascript:", target), (tag, target)
    for name in (*outline.attributes("script", "src"), *outline.attributes("link", "href")):
        if not name.startswith("data:"):
            assert person.client.get(f"/console/{name}").headers["Cache-Control"].endswith("immutable")


@pytest.mark.parametrize("address", PAGES)
def test_every_field_has_a_name_for_screen_readers_and_every_page_one_heading(person: Person, address: str) -> None:
    outline = Outline(person.see(address, 404 if address == "nothing" else 200))
    labels = set(outline.attributes("label", "for"))
    tags = [tag for tag, _ in outline.tags]
    assert tags.count("h1") == 1
    assert tags.count("main") == 1
    for tag, attrs in outline.tags:
        if tag in ("select", "textarea") or (
            tag == "input" and attrs.get("type") in (None, "text", "search", "password")
        ):
            assert "aria-label" in attrs or attrs.get("id") in labels or "hidden" in attrs, (tag, attrs)


def test_htmx_is_as_it_was_published_and_may_evaluate_nothing() -> None:
    folder = ROOM / "static" / "htmx"
    listed = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", (folder / "README.md").read_text("utf-8"), re.M))
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "Zero-Clause BSD" in (folder / "LICENSE").read_text("utf-8")
    assert (HTMX["allowEval"], HTMX["allowScriptTags"], HTMX["includeIndicatorStyles"]) == (False, False, False)


@pytest.mark.parametrize("name", [name for name in STATIC if not name.startswith("htmx/")])
def test_own_files_load_nothing_and_write_no_markup(name: str) -> None:
    text = (ROOM / "static" / name).read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)
    assert not re.search(r"@import|url\((?!\"data:)", text)
