"""The ask page in its own name, colors, logo and language."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from app.colors import DARK_SURFACE, LIGHT_GROUND, READABLE, contrast
from app.errors import SettingsError
from app.settings import Settings
from app.web.site import MODULES, Site, theme
from app.web.texts import texts_of
from tests.outline import Outline
from tests.web.test_pages import client_of

LANGUAGES = ["en", "de", "fr", "es"]
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><script>alert(1)</script></svg>'


def _source(name: str) -> str:
    return files("app.web").joinpath(name).read_text("utf-8")


def _used_texts() -> set[str]:
    """The names of the texts that the page and its modules use."""
    scripts = "".join(_source(name) for name in ("page.js", *MODULES))
    names = set(re.findall(r"\btexts\.(\w+)", _source("page.html"))) | set(re.findall(r'\bt\("(\w+)"', scripts))
    names |= set(re.findall(r'HEADINGS\[\w+\] \?\? "(\w+)"', scripts)) | {"too_many", "not_ready", "too_long"}
    names |= set(re.findall(r't\(status === 401 \? "(\w+)"', scripts)) | {"key_forbidden"}
    names |= {f"reason_{reason}" for reason in ("wrong", "outdated", "unclear", "other")}
    counted = set(re.findall(r'\bcounted\("(\w+)"', scripts))
    return names | {f"{name}_{number}" for name in counted for number in ("one", "other")} | {"greeting"}


def test_every_text_of_the_page_is_there_and_used() -> None:
    assert _used_texts() == set(texts_of("en"))


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_a_language_has_the_texts_of_english_and_their_placeholders(language: str) -> None:
    english, translated = texts_of("en"), texts_of(language)
    assert list(translated) == list(english)
    for name, text in english.items():
        assert set(re.findall(r"{\w+}", translated[name])) == set(re.findall(r"{\w+}", text)), name
    same = {name for name in english if english[name] == translated[name]}
    assert same <= {"seconds", "minutes", "passage", "answers", "no"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_in_its_language(language: str) -> None:
    client = client_of(Settings(page_language=language))
    outline = Outline(client.get("/").text)
    assert ("html", {"lang": language}) in outline.tags
    assert outline.attributes("textarea", "placeholder") == [texts_of(language)["placeholder"]]
    assert client.get("/static/texts.js").text.startswith("export default {")


def test_name_and_greeting_are_shown_as_text() -> None:
    html = client_of(Settings(page_name="<b>A & B", page_greeting='"><script>')).get("/").text
    outline = Outline(html)
    assert outline.attributes("meta", "content")[-2:] == ["<b>A & B", "noindex"]
    assert "&lt;b&gt;A &amp; B" in html
    assert outline.inline == []
    assert not [tag for tag, _ in outline.tags if tag == "b"]


@pytest.mark.parametrize("color", ["#0b6b5f", "#000000", "#c00", "#5a31f4", "#00695c", "#8a6d00", "#1d4ed8"])
def test_text_in_the_color_can_be_read_in_light_and_in_dark(color: str) -> None:
    paper, light, dark = theme(Settings(page_color=color).page_color).split("@media screen")
    assert paper == ""
    values = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part)) for part in (light, dark)]
    for ground, part in zip((LIGHT_GROUND, DARK_SURFACE), values, strict=True):
        assert contrast(part["accent"], ground) >= READABLE
        assert contrast(part["accent"], part.get("on-accent", "#ffffff")) >= READABLE
        assert contrast(part["accent-strong"], part.get("on-accent", "#ffffff")) >= READABLE
    for quiet, part in zip(("#55605d", "#9ba8a4"), values, strict=True):
        assert contrast(quiet, part["tint"]) >= READABLE


def test_the_grounds_are_those_of_the_style_sheet() -> None:
    css = _source("page.css")
    assert re.findall(r"--ground: (#\w+);", css)[0] == LIGHT_GROUND
    assert re.findall(r"--surface: (#\w+);", css)[1] == DARK_SURFACE
    assert re.findall(r"--ink-2: (#\w+);", css)[:2] == ["#55605d", "#9ba8a4"]


@pytest.mark.parametrize(
    ("color", "why"),
    [
        ("#ffcc00", r"1\.4:1 on the page's ground.*darker color of its kind is #"),
        ("red", "#rrggbb"),
        ("#12345", "#rrggbb"),
    ],
)
def test_a_color_that_cannot_be_read_is_refused_by_name(color: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAQ_PAGE_COLOR", color)
    with pytest.raises(SettingsError, match=f"FAQ_PAGE_COLOR: .*{why}"):
        Settings.read()


def test_the_darker_color_of_the_message_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAQ_PAGE_COLOR", "#ffcc00")
    with pytest.raises(SettingsError) as refusal:
        Settings.read()
    darker = str(refusal.value)[-7:]
    assert Settings(page_color=darker).page_color == darker


def test_a_logo_is_an_image_that_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "Logo.SVG"
    path.write_text(LOGO)
    client = client_of(Settings(page_logo=path))
    (address,) = Outline(client.get("/").text).attributes("img", "src")
    response = client.get(f"/{address}")
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert response.headers["Content-Security-Policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'; sandbox;"
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.text == LOGO


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("logo.html", b"<p>", "known kind"),
        ("logo.png", None, "cannot be read"),
        ("logo.png", b"0" * 300_000, "300,000 bytes"),
    ],
)
def test_what_is_not_a_small_image_is_no_logo(tmp_path: Path, name: str, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=f"FAQ_PAGE_LOGO=.*{why}"):
        Site(Settings(page_logo=tmp_path / name))
