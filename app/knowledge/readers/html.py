"""HTML pages with questions: schema.org's FAQPage as JSON-LD or microdata, and `details` with a `summary`."""

import re
from collections.abc import Iterator
from html import unescape

from app.errors import Place
from app.knowledge.readers.html_page import Page, Pair
from app.knowledge.readers.json_values import parse_json
from app.knowledge.readers.row import BadRow, Row
from app.knowledge.readers.row_file import RowFile

_PARAGRAPH = re.compile(r"\s*<p>([^<]*)</p>\s*\Z|([^<]*)\Z")

Question = tuple[str, str]


def rows(text: str, file: RowFile) -> Iterator[Row]:
    """A row for each question, at its number on the page.

    A question that stands twice on the page, for people and for search engines, is one row: that of JSON-LD, else of
    microdata, else of `details`. The answer is HTML, or plain text where it has no markup but a paragraph around it.
    """
    file.format = "HTML"
    page = Page.read(text)
    seen: set[str] = set()
    number = 0
    for source in (_json_ld(page, file), _pairs(page.items), _pairs(page.details)):
        of_other_sources = frozenset(seen)
        for question, answer in source:
            key = " ".join(question.casefold().split())
            if key not in of_other_sources:
                seen.add(key)
                number += 1
                yield Row(Place(number, "element"), {"question": question, "answer": _unwrapped(answer)})
    if not number:
        file.reject(None, "has no questions: neither schema.org's FAQPage nor `details` with a `summary`")


def _pairs(pairs: list[Pair]) -> Iterator[Question]:
    return ((pair.question, pair.answer) for pair in pairs if pair.question and pair.answer)


def _json_ld(page: Page, file: RowFile) -> Iterator[Question]:
    for script in page.scripts:
        try:
            yield from _questions(parse_json(script, file.options.limits))
        except BadRow as error:
            file.warn("not_taken", f"a JSON-LD script is not taken: {error}")


def _questions(value: object) -> Iterator[Question]:
    """Every schema.org Question within a value that has an answer, in order."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += reversed(node)
        elif isinstance(node, dict):
            question, answer = node.get("name") or node.get("text"), _accepted(node)
            if _is_question(node) and isinstance(question, str) and answer:
                yield unescape(question), answer
            else:
                waiting += reversed(list(node.values()))


def _is_question(node: dict[str, object]) -> bool:
    kind = node.get("@type")
    return "Question" in (kind if isinstance(kind, list) else [kind])


def _accepted(node: dict[str, object]) -> str | None:
    answers = node.get("acceptedAnswer") or node.get("suggestedAnswer")
    first = answers[0] if isinstance(answers, list) and answers else answers
    text = first.get("text") if isinstance(first, dict) else first
    return text if isinstance(text, str) else None


def _unwrapped(answer: str) -> str:
    match = _PARAGRAPH.match(answer)
    return unescape(match[1] or match[2] or "").strip() if match else answer
