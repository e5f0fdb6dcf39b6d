"""What the service shows in a browser besides the console: the ask page in its own colors and words, and the assets."""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath

from jinja2 import Environment, PackageLoader, StrictUndefined

from app.colors import DARK_SURFACE, mixed, readable
from app.errors import SettingsError
from app.settings import Settings
from app.web.texts import texts_of

MODULES = (
    "answers.js",
    "dom.js",
    "feedback.js",
    "problems.js",
    "renewal.js",
    "service.js",
    "suggestions.js",
    "words.js",
)  # of page.js
TEXTS, THEME = "texts.js", "theme.css"  # made from the settings
ASSETS = (
    "page.css",
    "page.js",
    *MODULES,
    "widget.js",
    "docs.css",
    "docs.js",
    "swagger/swagger-ui.css",
    "swagger/swagger-ui-bundle.js",
)
DEFAULT_COLOR = "#0b6b5f"  # of page.css
LOGOS = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
MAX_LOGO = 256 * 1024
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True)
class File:
    """What a request for one file gets."""

    body: bytes
    media_type: str
    digest: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "File":
        """A file with the digest of its content."""
        return cls(body, media_type, hashlib.sha256(body).hexdigest()[:16])


class Site:
    """The pages and their assets for one configuration, all in memory. `version` is a hash of the assets."""

    def __init__(self, settings: Settings) -> None:
        """Read everything. Raises SettingsError if FAQ_PAGE_LOGO is not a small image."""
        texts = texts_of(settings.page_language)
        sources = {name: files("app.web").joinpath(name).read_bytes() for name in ASSETS}
        sources[TEXTS] = f"export default {json.dumps(texts)};\n".encode()
        sources[THEME] = theme(settings.page_color).encode()
        self.logo = f"logo{settings.page_logo.suffix.lower()}" if settings.page_logo else None
        logo = {self.logo: _logo(settings.page_logo)} if self.logo and settings.page_logo else {}
        self.version = hashlib.sha256(b"\0".join([*sources.values(), *logo.values()])).hexdigest()[:16]
        self.assets = {name: File.of(self._linked(name, body), _type(name)) for name, body in sources.items()}
        self.assets |= {name: File.of(body, LOGOS[PurePosixPath(name).suffix]) for name, body in logo.items()}
        self.page = self._html(
            "page.html",
            language=settings.page_language,
            name=settings.page_name,
            greeting=settings.page_greeting or texts["greeting"],
            texts=texts,
            color=(settings.page_color or DEFAULT_COLOR).removeprefix("#"),
            logo=self.logo,
            modules=[*MODULES, TEXTS],
        )
        self.docs = self._html("docs.html")

    def _html(self, template: str, **values: object) -> File:
        """A page, with the version of the assets in their addresses."""
        environment = Environment(
            loader=PackageLoader("app", "web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        html = environment.get_template(template).render(**values)
        for name in self.assets:
            html = html.replace(f'"static/{name}"', f'"static/{name}?v={self.version}"')
        return File.of(html.encode(), "text/html; charset=utf-8")

    def _linked(self, name: str, body: bytes) -> bytes:
        """A module of the page, with the version of the assets in what it imports."""
        if name != "page.js" and name not in MODULES:
            return body
        text = body.decode()
        for imported in (*MODULES, TEXTS):
            text = text.replace(f' from "./{imported}"', f' from "./{imported}?v={self.version}"')
        return text.encode()


def theme(color: str | None) -> str:
    """The style sheet that sets the accent color, in light and in dark; a comment for the page's own color."""
    if color is None:
        return "/* FAQ_PAGE_COLOR is not set. */\n"
    light = {"accent": color, "accent-strong": mixed(color, "#000000", 0.2), "tint": mixed("#ffffff", color, 0.08)}
    on_dark = readable(color, DARK_SURFACE, "#ffffff")
    dark = {
        "accent": on_dark,
        "accent-strong": mixed(on_dark, "#ffffff", 0.2),
        "on-accent": mixed("#000000", color, 0.15),
        "tint": mixed(DARK_SURFACE, on_dark, 0.1),
    }
    shown = {"screen": light, "screen and (prefers-color-scheme: dark)": dark}  # paper is black on white
    return "".join(f"@media {media} {{ :root {{ {_variables(colors)} }} }}\n" for media, colors in shown.items())


def _variables(colors: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colors.items())


def _type(name: str) -> str:
    return _TYPES[PurePosixPath(name).suffix]


def _logo(path: Path) -> bytes:
    """The image. Raises SettingsError."""
    if path.suffix.lower() not in LOGOS:
        kinds = ", ".join(kind.removeprefix(".") for kind in LOGOS)
        raise SettingsError(f"FAQ_PAGE_LOGO={path} is not an image of a known kind ({kinds}).")
    try:
        body = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"FAQ_PAGE_LOGO={path} cannot be read: {error.strerror}.") from None
    if len(body) > MAX_LOGO:
        raise SettingsError(f"FAQ_PAGE_LOGO={path} has {len(body):,} bytes; at most {MAX_LOGO:,} are allowed.")
    return body
