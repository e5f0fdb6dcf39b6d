"""An HTML page as tests read it."""

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr", "path"}  # tags that are never closed


class Outline(HTMLParser):
    """The tags of a page with their attributes, its text, and its inline scripts and styles.

    Raises AssertionError unless every tag is closed in order.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inline: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._open[-1] in {"script", "style"} and data.strip():
            self.inline.append(data)

    def attributes(self, tag: str, name: str) -> list[str]:
        return [value for kind, attrs in self.tags if kind == tag and (value := attrs.get(name))]
