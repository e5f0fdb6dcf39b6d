"""Links in an answer, in Markdown or HTML, that lead nowhere or are not shown as links. Knows no entries."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple
from urllib.parse import urlsplit

from markdown_it.token import Token

from app.text.markup import LINK_SCHEMES, markup_tokens

EXCERPT = 80  # characters of a link that a message shows

_SUSPECT = re.compile(r"\]\s*\(|<a\b|https?:|www\.", re.IGNORECASE)
_UNREAD = re.compile(r"\[[^\[\]\n]*(\]\([^\n]*|\]\s+\((?:https?:|www\.|mailto:|/)[^\n]*)", re.IGNORECASE)
_ANCHOR = re.compile(r"<a\s(?P<attributes>[^<>]*\bhref\b[^<>]*)(?P<end>>?)", re.IGNORECASE)
_HREF = re.compile(r"\bhref\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s\"'>]+))", re.IGNORECASE)
_CLOSE = re.compile(r"</a\s*>", re.IGNORECASE)
_BARE = re.compile(r"\bhttps?:(?!//[^\s/<>\"')\].,;]{2})[^\s<>)\]]*", re.IGNORECASE)
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_WEB = ("http", "https")


class BadLink(NamedTuple):
    """A malformed link: the beginning of its text, and what is wrong with it."""

    text: str
    reason: str


def bad_links(text: str) -> list[BadLink]:
    """The malformed links of a text, in order and without repeats. Code is no link, and images are not shown."""
    if not _SUSPECT.search(text):
        return []
    links = chain.from_iterable(map(_of_block, markup_tokens(text)))
    return [BadLink(_excerpt(link.text), link.reason) for link in dict.fromkeys(links)]


def _of_block(block: Token) -> Iterator[BadLink]:
    if block.type == "html_block":
        yield from _of_html(block.content)
        return
    children = block.children or []
    for child in children:
        href = child.attrGet("href") if child.type == "link_open" else None
        if href is not None and (reason := _reason(str(href))):
            yield BadLink(str(href) or "[…]()", reason)
    yield from _of_html("".join(child.content for child in children if child.type in ("html_inline", "text")))
    plain = "".join(child.content for child in children if child.type == "text")
    yield from (BadLink(match[0], _unread(match[1])) for match in _UNREAD.finditer(plain))
    yield from (BadLink(match[0], "has no address after `http:`") for match in _BARE.finditer(_UNREAD.sub("", plain)))


def _of_html(text: str) -> Iterator[BadLink]:
    """The malformed `<a href>` of HTML."""
    opened = list(_ANCHOR.finditer(text))
    for anchor in opened:
        if not anchor["end"]:
            yield BadLink(anchor[0], "its tag is not closed with `>`")
        elif (href := _HREF.search(anchor["attributes"])) and (reason := _reason(href[1] or href[2] or href[3] or "")):
            yield BadLink(href[0], reason)
        elif not href:
            yield BadLink(anchor[0], "the quotes of its `href` are not closed")
    if len(opened) > len(_CLOSE.findall(text)):
        yield BadLink(opened[-1][0], "has no `</a>`")


def _unread(markdown: str) -> str:
    """Why Markdown does not read `](…` as a link."""
    if not markdown.startswith("]("):
        return "a space stands between `]` and `(`, so it is not read as a link"
    target, closed, _ = markdown[2:].partition(")")
    if not closed:
        return "its `(` is not closed"
    return "its address holds a space" if re.search(r"\s", target.strip()) else "it is not read as a link"


def _reason(address: str) -> str | None:
    """What is wrong with the address of a link; None for a good one."""
    address = address.strip()
    if not address:
        return "its address is empty"
    if re.search(r"\s|%20|%0A", address):
        return "its address holds a space"
    scheme = _SCHEME.match(address)
    if scheme is None:
        hint = "write it with `https://`" if address.lower().startswith("www.") else "write the full address"
        return f"its address is relative, which is not shown as a link; {hint}"
    if scheme[1].lower() not in LINK_SCHEMES:
        return f"it begins with `{scheme[1]}:`, which is not shown as a link"
    if scheme[1].lower() in _WEB:
        return None if _host(address) else "its address has no host"
    return None if "@" in address else "its address has no `@`"


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:  # such as an open bracket of an IPv6 address
        return None


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[: EXCERPT - 1]}…"
