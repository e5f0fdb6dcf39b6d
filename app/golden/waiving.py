"""Why a release does not hold an entry that a golden question expects: reported, and not counted as broken."""

from collections.abc import Sequence

from sqlalchemy import select

from app.batches import batches
from app.knowledge.database import Database
from app.knowledge.tables import EntryRow

_REASONS = {"archived": "archived", "draft": "a draft", "live": "not valid at that time"}
_BATCH = 500  # ids in one query


def reasons(database: Database, faq_ids: Sequence[str]) -> dict[str, str]:
    """What became of each of these entries, in words. Raises StoreError."""
    states: dict[str, str] = {}
    with database.read() as connection:
        for batch in batches(faq_ids, _BATCH):
            query = select(EntryRow.id, EntryRow.state).where(EntryRow.id.in_(batch))
            states |= {row.id: row.state for row in connection.execute(query)}
    return {faq_id: _REASONS.get(states.get(faq_id, ""), "removed") for faq_id in faq_ids}
