"""Questions on an HTML page, by its tags: `details` with a `summary`, schema.org's microdata, and JSON-LD scripts.

The page is never a tree in memory: one that is nested 100,000 deep, or has as many attributes, takes no longer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape, unescape
from typing import Literal

from lxml.etree import HTMLParser

Role = Literal["details", "summary", "item", "name", "answer", "text", "json", ""]

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_INLINE = re.compile(r"</?(?:a|abbr|b|code|em|i|kbd|mark|q|s|small|span|strong|sub|sup|u)\b")


@dataclass
class Pair:
    """A question and its answer, as HTML. `outer`: it holds other questions, and is a section of them."""

    question: str | None = None
    answer: str | None = None
    outer: bool = False


@dataclass(slots=True)
class _Element:
    tag: str
    role: Role
    start: int  # of its content, in the pieces
    pair: Pair | None


@dataclass
class Page:
    """What the parser meets; `read` fills it. `pieces` is the HTML within questions, as it is met."""

    scripts: list[str] = field(default_factory=list)
    items: list[Pair] = field(default_factory=list)
    details: list[Pair] = field(default_factory=list)
    _pieces: list[str] = field(default_factory=list)
    _elements: list[_Element] = field(default_factory=list)
    _open: dict[Role, list[_Element]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> "Page":
        """The page of an HTML text. Markup that is broken is read as a browser would."""
        page = cls()
        parser = HTMLParser(target=page, encoding="utf-8")  # type: ignore[arg-type]
        parser.feed(text.encode(errors="replace"))
        parser.close()
        return page

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        """An element begins."""
        role = self._role(tag, attrib)
        if self._recording:
            shown = "".join(f' {name}="{escape(value)}"' for name, value in attrib.items())
            self._pieces.append(f"<{tag}{shown}>")
        pair = None
        if role in ("details", "item"):
            for outer in self._open.get(role, [])[-1:]:
                if outer.pair:
                    outer.pair.outer = True
            pair = Pair()
        element = _Element(tag, role, len(self._pieces), pair)
        self._elements.append(element)
        if role:
            self._open.setdefault(role, []).append(element)

    def data(self, data: str) -> None:
        """Text, its entities resolved."""
        if self._open.get("json"):
            self._pieces.append(data)
        elif self._recording:
            self._pieces.append(escape(data, quote=False))

    def end(self, tag: str) -> None:
        """An element ends."""
        if not self._elements:
            return
        element = self._elements.pop()
        if element.role:
            self._open[element.role].pop()
            self._close(element)
        if self._recording and tag not in _VOID:
            self._pieces.append(f"</{tag}>")

    def close(self) -> "Page":
        """The document ends."""
        return self

    @property
    def _recording(self) -> bool:
        return bool(self._open.get("details") or self._open.get("item"))

    def _role(self, tag: str, attributes: Mapping[str, str]) -> Role:
        """What an element is to a question."""
        if tag == "script":
            return "json" if "ld+json" in attributes.get("type", "").lower() else ""
        if tag == "details":
            return "details"
        if tag == "summary" and self._asked("details") is False:
            return "summary"
        if "schema.org/Question" in attributes.get("itemtype", ""):
            return "item"
        return self._property(attributes.get("itemprop", ""))

    def _property(self, name: str) -> Role:
        if not self._open.get("item"):
            return ""
        if name in ("acceptedAnswer", "suggestedAnswer"):
            return "answer"
        if self._open.get("answer"):
            return "text" if name == "text" else ""
        return "name" if name == "name" and self._asked("item") is False else ""

    def _asked(self, role: Role) -> bool | None:
        """Whether the innermost open pair has its question; None where none is open."""
        elements = self._open.get(role)
        pair = elements[-1].pair if elements else None
        return None if pair is None else pair.question is not None

    def _close(self, element: _Element) -> None:
        """Keep what an element with a role held."""
        pair = element.pair or self._innermost(element.role)
        if element.role == "json":
            self.scripts.append("".join(self._pieces[element.start :]))
        elif element.pair:
            self._keep(element, element.pair)
        elif not pair.outer:  # only the innermost questions of a section are taken
            self._fill(element, pair)
        if not self._recording:
            self._pieces.clear()

    def _fill(self, element: _Element, pair: Pair) -> None:
        """Take the question or the answer that an element holds, if it is the first."""
        if element.role in ("summary", "name") and pair.question is None:
            pair.question = _words(self._pieces[element.start :])
            if element.role == "summary":
                self._open["details"][-1].start = len(self._pieces) + 1  # below the end tag
        elif element.role in ("answer", "text") and pair.answer is None:
            pair.answer = "".join(self._pieces[element.start :]).strip()

    def _innermost(self, role: Role) -> Pair:
        """The open pair that an element belongs to; a new one where none is open."""
        elements = self._open.get("details" if role == "summary" else "item")
        return (elements[-1].pair if elements else None) or Pair()

    def _keep(self, element: _Element, pair: Pair) -> None:
        """Keep a pair that is complete and holds no other."""
        if pair.outer:
            return
        if element.role == "details":
            pair.answer = "".join(self._pieces[element.start :]).strip()
        if pair.question and pair.answer:
            (self.details if element.role == "details" else self.items).append(pair)


def _words(pieces: list[str]) -> str:
    """The text of HTML; a tag that is not inline separates words."""
    texts = ["" if _INLINE.match(piece) else " " if piece.startswith("<") else unescape(piece) for piece in pieces]
    return " ".join("".join(texts).split())
