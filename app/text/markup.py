"""Answers with Markdown or HTML: as safe HTML to show, and as plain text to rank by. Knows no entries.

Both come from one parser, so the ranked text is the text that a person sees. Text that only looks like markup stays
text: `a < b`, `<order number>`, `2 * 3 * 4`, `5*3*2`, `snake_case`, `[note]: call us`, `> 18`.
"""

import re
from collections.abc import Iterable
from functools import cache
from html import escape
from html.parser import HTMLParser
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.html_re import attribute
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock, html_block
from markdown_it.rules_inline import StateInline, emphasis, html_inline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

VERSION = 1  # of `plain_text`; increase it when results change, so that releases with markup are built again

_BLOCKS = ("blockquote", "div", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul")
_LINES = ("br", "caption", "dd", "dt", "hr", "li", "tr")
_CELLS = ("td", "th")
_GROUPS = ("tbody", "tfoot", "thead")
_WITHIN_LINES = (
    "a", "abbr", "b", "cite", "code", "del", "dfn", "em", "i", "ins", "kbd", "mark", "q", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "tt", "u", "var",
)  # fmt: skip
SHOWN = frozenset((*_BLOCKS, *_LINES, *_CELLS, *_GROUPS, *_WITHIN_LINES))
_BREAKS = {**dict.fromkeys(_BLOCKS, "\n\n"), **dict.fromkeys(_LINES, "\n"), **dict.fromkeys(_CELLS, " ")}
LINK_SCHEMES = frozenset(("http", "https", "mailto"))
_ATTRIBUTES = {"a": {"href", "title"}, "abbr": {"title"}, "ol": {"start"}, "td": {"colspan", "rowspan"}}
_DROPPED = frozenset(("script", "style", "iframe", "object", "svg", "math", "template", "noscript", "textarea", "head"))
_HTML = nh3.ALLOWED_TAGS | SHOWN | _DROPPED | {"body", "embed", "font", "form", "html", "input", "link", "meta"}
_UNCLOSED = frozenset(("area", "br", "col", "dd", "dt", "hr", "img", "li", "p", "td", "th", "tr", "wbr")) | _DROPPED

_SUSPECT = re.compile(r"[<*_`\[~|]|&[#\w]+;|^ {0,3}(?:#|[-+=]|\d+[.)]\s)", re.MULTILINE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(rf"<(/?)([A-Za-z][A-Za-z0-9:-]*)({attribute}{{0,30}})\s*/?>|<!--|<[!?]")
_CLOSED = re.compile(r"</([A-Za-z][A-Za-z0-9:-]*)\s*>")
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")
_PLAIN_TOKENS = frozenset(("paragraph_open", "paragraph_close", "inline", "text", "softbreak", "hardbreak"))


def to_html(text: str) -> str:
    """The answer as HTML that is safe to put into a page: no scripts, event handlers, styles or images.

    Links lead to http, https or mailto and have rel="nofollow noopener". Line breaks stay line breaks.
    """
    html = _rendered(text)
    return _cleaner().clean(_paragraphs(text) if html is None else html).strip()


def plain_text(text: str) -> str:
    """The answer without markup, with entities decoded. An answer without markup, or of nothing else, is unchanged."""
    html = _rendered(text) if _SUSPECT.search(text) else None
    return text if html is None else _Words.of(_cleaner().clean(html)) or text


def markup_tokens(text: str) -> list[Token]:
    """The blocks of the text as markdown-it's tokens, parsed as `to_html` does."""
    return _markdown().parse(text, _environment(text))


def _environment(text: str) -> dict[str, Any]:
    """What the rules for HTML need to know of the whole text: the names of tags that it closes."""
    return {"closed": frozenset(name.lower() for name in _CLOSED.findall(text))}


def _rendered(text: str) -> str | None:
    """Unsafe HTML from the text; None where it has no markup."""
    markdown, environment = _markdown(), _environment(text)
    tokens = markdown.parse(text, environment)
    if not _ENTITY.search(text) and all(token.type in _PLAIN_TOKENS for token in _flat(tokens)):
        return None
    return str(markdown.renderer.render(tokens, markdown.options, environment))


def _flat(tokens: Iterable[Token]) -> Iterable[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in _BLANK_LINES.split(text.strip()))


@cache
def _markdown() -> MarkdownIt:
    """CommonMark with tables, without the rules that ordinary text often triggers."""
    markdown = MarkdownIt("commonmark", {"breaks": True}).enable(["table", "strikethrough"])
    markdown.disable(["code", "blockquote", "reference"])
    markdown.validateLink = lambda url: True  # type: ignore[method-assign] # the cleaner decides which links stay
    markdown.inline.ruler.at("emphasis", _emphasis)
    markdown.inline.ruler.at("html_inline", _html_inline)
    markdown.block.ruler.at("html_block", _html_block, {"alt": ["paragraph"]})
    markdown.add_render_rule("image", _image)
    markdown.add_render_rule("html_block", _block_of_html)
    return markdown


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(SHOWN),
        clean_content_tags=set(_DROPPED),
        attributes=_ATTRIBUTES,
        url_schemes=set(LINK_SCHEMES),
        url_relative="deny",
        link_rel="nofollow noopener",
    )


def _is_markup(tag: re.Match[str], environment: EnvType) -> bool:
    """Whether a tag is markup: known to HTML and closed (or of a kind that need not be), or with `name=value`."""
    end, name, attributes = tag[1], (tag[2] or "").lower(), tag[3] or ""
    if not name or "=" in attributes or ":" in name:
        return True
    return name in _HTML and (bool(end) or name in _UNCLOSED or name in environment["closed"])


def _html_inline(state: StateInline, silent: bool) -> bool:
    tag = _TAG.match(state.src, state.pos)
    return tag is not None and _is_markup(tag, state.env) and html_inline(state, silent)


def _html_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    tag = _TAG.match(state.src, state.bMarks[start] + state.tShift[start])
    return tag is not None and _is_markup(tag, state.env) and html_block(state, start, end, silent)


def _emphasis(state: StateInline, silent: bool) -> bool:
    """The emphasis rule, except for stars inside a word or a number."""
    if state.src[state.pos] == "*":
        end = state.pos
        while end < state.posMax and state.src[end] == "*":
            end += 1
        around = state.src[state.pos - 1 : state.pos] + state.src[end : end + 1]
        if len(around) == 2 and around.isascii() and around.isalnum():
            if not silent:
                state.pending += state.src[state.pos : end]
            state.pos = end
            return True
    return emphasis.tokenize(state, silent)


def _image(renderer: RendererHTML, tokens: list[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """The description of an image in place of the image."""
    return escape(renderer.renderInlineAsText(tokens[index].children or [], options, env))


def _block_of_html(renderer: RendererHTML, tokens: list[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A block of HTML, with each `<` that begins no tag escaped."""

    def escaped(match: re.Match[str]) -> str:
        tag = _TAG.match(match.string, match.start())
        return "<" if tag and _is_markup(tag, env) else "&lt;"

    return re.sub("<", escaped, tokens[index].content)


class _Words(HTMLParser):
    """Collects the text of clean HTML, with blocks on separate lines and the numbers of numbered lists."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._lists: list[int] = []  # the next number of each open list; 0 for a bulleted one
        self._verbatim = 0

    @classmethod
    def of(cls, html: str) -> str:
        """The text of `html`."""
        words = cls()
        words.feed(html)
        words.close()
        text = re.sub(r" *\n *", "\n", re.sub(" {2,}", " ", "".join(words._parts)))
        return re.sub(r"\n{3,}", "\n\n", text).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self._parts.append(_BREAKS.get(tag, ""))
        if tag in ("ol", "ul"):
            start = str(dict(attrs).get("start") or "1")
            self._lists.append(int(start) if tag == "ol" and start.isdecimal() else int(tag == "ol"))
        elif tag == "li" and self._lists and self._lists[-1]:
            self._parts.append(f"{self._lists[-1]}. ")
            self._lists[-1] += 1
        self._verbatim += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("ol", "ul") and self._lists:
            self._lists.pop()
        if _BREAKS.get(tag) == "\n\n":
            self._parts.append("\n\n")
        self._verbatim -= tag == "pre"

    def handle_data(self, data: str) -> None:
        self._parts.append(data if self._verbatim else re.sub(r"\s+", " ", data))
