"""Search in entries without regard to case, in any script: the same on every database, whose own rules differ."""

import re
import unicodedata
from collections.abc import Iterable

from sqlalchemy import ColumnElement, false

from app.knowledge.tables import EntryRow

_NEVER_STORED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")  # what `app.text.limits` refuses
_SEPARATOR = "\x1f"  # no entry holds it, so that a match never spans two texts


def folded(text: str) -> str:
    """The text without case. Composed and decomposed characters are equal, and so are the i with and without dot,
    which Turkish and other languages pair with I in different ways."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    return text.replace("i\u0307", "i").replace("ı", "i")


def searchable(entry_id: str, question: str, answer: str, alternatives: Iterable[str]) -> str:
    """What `EntryRow.searchable` holds: every text that a search looks into, folded."""
    return folded(_SEPARATOR.join((entry_id, question, *alternatives, answer)))


def holds(search: str) -> ColumnElement[bool]:
    """The condition that an entry holds the text `search` in its id, question, alternatives or answer."""
    if _NEVER_STORED.search(search):  # databases refuse these characters in parameters
        return false()
    return EntryRow.searchable.contains(folded(search), autoescape=True)
