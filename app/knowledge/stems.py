"""The stems of an entry's words and its identifiers, by which lists are searched: those that the ranking uses.

A column holds them as hashes, written in the language of FAQ_LANGUAGE. Both databases compare the same texts, so they
give the same entries.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select, update

from app.errors import SettingsError
from app.knowledge.search import folded, holds
from app.knowledge.tables import EntryRow
from app.text.identifiers import SPACED, asked_identifiers, identifiers_of
from app.text.words import word_model

MOST_WORDS = 32  # of a search that count
_SEPARATOR = "\x1f"
_BATCH = 1_000


class Stems:
    """Stems in one language. Safe to share between threads."""

    def __init__(self, language: str) -> None:
        """Raises ValueError for an unknown language."""
        self.language = language.lower()
        self._model = word_model(language)

    def columns(self, question: str, answer: str, alternatives: Iterable[str]) -> dict[str, str]:
        """`EntryRow.stems` and `EntryRow.stem_language` of an entry."""
        text = "\n".join((question, *alternatives, answer))
        marks = [*map(str, self._hashes(text)), *(f"#{name}" for name in sorted(identifiers_of(text)))]
        return {"stems": _SEPARATOR.join(("", *marks, "")), "stem_language": self.language}

    def matching(self, search: str) -> ColumnElement[bool]:
        """The condition that an entry holds every word of a search, in any form; its beginning is enough for the last.

        Stop words do not count. An entry that holds the text of the search, whatever its case, is found in any case.
        """
        readings = dict.fromkeys((search, SPACED.sub(r"\1\2", search)))  # `KX 4101` is also `KX4101`
        words = [condition for reading in readings if (condition := self._all_words(reading)) is not None]
        return or_(holds(search), *(and_(EntryRow.stem_language == self.language, each) for each in words))

    def _all_words(self, search: str) -> ColumnElement[bool] | None:
        """The condition that an entry holds every word; None where only stop words are asked for."""
        parts = search.split()[:MOST_WORDS]
        conditions = []
        for place, part in enumerate(parts):
            ways = [_holds_all(f"#{name}" for name in names)] if (names := asked_identifiers(part)) else []
            if hashes := self._hashes(part):
                ways.append(_holds_all(map(str, hashes)))
                if place == len(parts) - 1 and not search[-1].isspace():
                    ways.append(holds(part))
            if ways:
                conditions.append(or_(*ways))
        return and_(*conditions) if conditions else None

    def _hashes(self, text: str) -> list[int]:
        return sorted(set(self._model.embed_query(folded(text)).indices))


def stems_of(language: str) -> Stems:
    """Stems in a language. Raises SettingsError for an unknown one."""
    try:
        return Stems(language)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def refresh(connection: Connection, stems: Stems) -> bool:
    """Write the stems of some entries that have none in this language, and say whether there may be more."""
    columns = (EntryRow.id, EntryRow.question, EntryRow.answer, EntryRow.alternatives)
    stale = select(*columns).where(EntryRow.stem_language != stems.language).limit(_BATCH)
    rows = connection.execute(stale).all()
    values = [{"entry_id": row[0], **stems.columns(row[1], row[2], row[3])} for row in rows]
    if values:
        table = EntryRow.__table__
        connection.execute(update(table).where(table.c.id == bindparam("entry_id")), values)  # type: ignore[arg-type]
    return len(rows) == _BATCH


def _holds_all(marks: Iterable[str]) -> ColumnElement[bool]:
    return and_(*(EntryRow.stems.contains(f"{_SEPARATOR}{mark}{_SEPARATOR}", autoescape=True) for mark in marks))
