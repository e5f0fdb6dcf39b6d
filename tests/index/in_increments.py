"""A store whose indexes are made of a base and three increments, and hold what a build of all entries would hold."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from app.index.candidates import Candidate
from app.index.protocol import IndexRecord, IndexStore

NAMES = [f"faq-0123456789ab-{digit * 12}" for digit in "def"]  # of the base and the first two increments


class InIncrements:
    """Any store, but for `build`: its base holds the entries' texts with other vectors and metadata, and its increments
    replace these, a third each. The first also adds an entry, which the last removes."""

    def __init__(self, store: IndexStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)

    async def build(self, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
        """Build the index under the record's name."""
        entries = list(chain.from_iterable(batches))
        base = record.model_copy(update={"name": NAMES[0], "entries": len(entries)})
        await self._store.build(base, [[_stale(entry) for entry in entries]])
        extra = entries[0]._replace(id="extra", payload={**entries[0].payload, "id": "extra"}, digest="extra")
        parent = base.name
        for number, name in enumerate((*NAMES[1:], record.name), start=1):
            batch = [entry._replace(digest=f"new {entry.id}") for entry in entries[number - 1 :: 3]]
            last = number == 3
            update = {"name": name, "base": base.name, "increment": number, "entries": len(entries) + (not last)}
            added = [batch, [extra]] if number == 1 else [batch]
            await self._store.extend(record.model_copy(update=update), parent, added, ["extra"] if last else [])
            parent = name


def _stale(entry: Candidate) -> Candidate:
    """The entry with the same texts, so that the frequencies of words are the same, and with everything else other."""
    return entry._replace(
        payload={**entry.payload, "metadata": {"stale": "yes"}},
        answer=-entry.answer,
        questions=-entry.questions,
        negatives=-entry.negatives,
        digest=f"old {entry.id}",
    )
