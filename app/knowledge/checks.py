"""Warnings about valid entries that look like mistakes: one question with different answers, markup, mojibake."""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from app.errors import Place
from app.knowledge.entry import Entry
from app.knowledge.readers.mojibake import is_mojibake
from app.knowledge.readers.row_file import RowFile
from app.text.limits import same_question

_HTML = re.compile(
    r"</?(?:a|b|blockquote|br|code|div|em|h[1-6]|hr|i|img|li|ol|p|pre|script|span|strong|table|td|th|tr|u|ul)"
    r"(?:\s[^<>]*)?/?>|&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\[nrt](?![a-z])|\\n\\n")


def check_entries(entries: Iterable[tuple[Entry, Place]], file: RowFile) -> None:
    """Add a warning to the file for each entry that looks like a mistake."""
    repeats = _Repeats(file)
    for entry, place in entries:
        repeats.note(entry, place)
        if file.format != "HTML" and _HTML.search(entry.answer):
            file.warn("html", "the answer holds HTML, which is kept as it is", place)
        if _ESCAPE.search(entry.answer) or _ESCAPE.search(entry.question):
            file.warn("escape", "holds a literal `\\n`, which readers see as it is; a line break may be meant", place)
        if any(map(is_mojibake, (entry.answer, *entry.phrasings))):
            file.warn("mojibake", "looks as if decoded in the wrong encoding; --fix-mojibake repairs it", place)


class _Seen(NamedTuple):
    """An entry as hashes: of its answer as `same_question` gives it, and of question and answer exactly as written."""

    answer: int
    exact: int
    place: Place


class _Repeats:
    """Finds questions that several entries hold, and entries that differ only in case, space and outer punctuation.

    It keeps hashes instead of texts, so that a large file needs little memory.
    """

    def __init__(self, file: RowFile) -> None:
        self._file = file
        self._by_phrasing: dict[int, _Seen] = {}
        self._by_content: dict[int, _Seen] = {}
        self._warned: set[tuple[str, Place]] = set()

    def note(self, entry: Entry, place: Place) -> None:
        """Compare an entry with those before it."""
        answer = hash(same_question(entry.answer))
        seen = _Seen(answer, hash((entry.question, entry.answer)), place)
        for phrasing in {same_question(phrasing) for phrasing in entry.phrasings}:
            first = self._by_phrasing.setdefault(hash(phrasing), seen)
            if first.answer != answer:
                message = "the same question has different answers in other rows; a person who asks it sees all of them"
                self._warn("different_answers", message, first.place, place)
        first = self._by_content.setdefault(hash((same_question(entry.question), answer)), seen)
        if first.exact != seen.exact:
            message = "differs from another row only in case, space or punctuation"
            self._warn("near_identical", message, first.place, place)

    def _warn(self, kind: Literal["different_answers", "near_identical"], message: str, *places: Place) -> None:
        for place in places:
            if (kind, place) not in self._warned:
                self._warned.add((kind, place))
                self._file.warn(kind, message, place)
