"""Search in entries without regard to case, in any script: the same on every database, whose own rules differ."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping

from sqlalchemy import ColumnElement, false
from sqlalchemy.orm import InstrumentedAttribute

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


def terms(metadata: Mapping[str, object]) -> str:
    """What `EntryRow.terms` holds: each key with its value, and with each item of a list, folded."""
    pairs = [(key, item) for key, value in metadata.items() for item in (value if isinstance(value, list) else [value])]
    return folded("".join(_term(key, _text(item)) for key, item in pairs))


def has_term(key: str, value: str) -> ColumnElement[bool]:
    """The condition that an entry's metadata has `value` under `key`, or in the list there, whatever its case."""
    if _NEVER_STORED.search(key + value):
        return false()
    return EntryRow.terms.contains(folded(_term(key, value)), autoescape=True)


def _term(key: str, value: str) -> str:
    return f"{_SEPARATOR}{key}={value}{_SEPARATOR}"


def _text(value: object) -> str:
    """A value as a query parameter writes it: `true`, `2024`, `0.5`."""
    return value if isinstance(value, str) else json.dumps(value)


def holds(search: str) -> ColumnElement[bool]:
    """The condition that an entry holds the text `search` in its id, question, alternatives or answer."""
    return contains(EntryRow.searchable, search)


def contains(column: InstrumentedAttribute[str], search: str) -> ColumnElement[bool]:
    """The condition that a column of folded texts contains the text `search`, whatever its case."""
    if _NEVER_STORED.search(search):  # databases refuse these characters in parameters
        return false()
    return column.contains(folded(search), autoescape=True)
