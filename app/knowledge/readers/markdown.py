"""Markdown: a heading without subheadings is a question, what stands below it its answer, as it is written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from app.errors import Place
from app.knowledge.readers import yaml_rows
from app.knowledge.readers.row import BadRow, Row
from app.knowledge.readers.row_file import RowFile

_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.*?\n)?---[ \t]*(?:\n|\Z)", re.DOTALL)
_MARKUP = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")
_CLOSING = re.compile(r"[ \t]+#+[ \t]*\Z")


@dataclass(frozen=True)
class _Heading:
    level: int
    text: str
    start: int  # its first line, counted from 0
    end: int  # the line below it


def rows(text: str, file: RowFile) -> Iterator[Row]:
    """A row for each question, at the line of its heading. Front matter is metadata of all of them, and the heading
    above is the metadata `section`."""
    file.format = "Markdown"
    text = re.sub(r"\r\n?", "\n", text)
    front = _FRONT_MATTER.match(text)
    metadata = _metadata(front, file)
    lines = text.split("\n")
    headings = list(_headings(text, front.end() if front else 0))
    if not headings:
        file.reject(None, "has no headings; a heading is a question, and the text below it the answer")
    above: list[_Heading] = []
    for heading, following in zip_longest(headings, headings[1:]):
        while above and above[-1].level >= heading.level:
            above.pop()
        answer = "\n".join(lines[heading.end : following.start if following else len(lines)]).strip()
        place = Place(heading.start + 1)
        if following and following.level > heading.level:
            if answer:
                file.warn("not_taken", "text between a heading and its subheadings is not taken", place)
        elif answer:
            section = {"section": above[-1].text} if above else {}
            yield Row(place, metadata | section | {"question": heading.text, "answer": answer})
        else:
            file.warn("not_taken", "a heading without text below is not taken", place)
        above.append(heading)


def _headings(text: str, start: int) -> Iterator[_Heading]:
    """The headings below the front matter, but those within lists and quotes."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    before = text.count("\n", 0, start)
    tokens = parser.parse(text[start:])
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            first, end = token.map
            yield _Heading(int(token.tag[1:]), _words(inline.content), first + before, end + before)


def _words(heading: str) -> str:
    """The text of a heading without emphasis, links and line breaks."""
    return " ".join(_MARKUP.sub(lambda match: match[1] or "", _CLOSING.sub("", heading)).split())


def _metadata(front: "re.Match[str] | None", file: RowFile) -> dict[str, object]:
    """What the front matter says that metadata can hold."""
    if front is None or not front[1]:
        return {}
    try:
        values = yaml_rows.front_matter(front[1], file)
    except BadRow as error:
        file.warn("not_taken", f"the front matter is not taken: {error}", Place(error.line + 1))
        return {}
    flat = {key: value for key, value in values.items() if not isinstance(value, dict) and key not in file.fields.names}
    if nested := [key for key in values if key not in flat]:
        file.warn("not_taken", f"of the front matter, {', '.join(nested)} cannot be metadata and is not taken")
    return flat
