"""Erases entries from what is kept of earlier releases: the releases that hold them, and the vectors of their texts."""

import logging
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing
from pathlib import Path

from app.encoding.encoders import SIDES
from app.index.words import answer_of
from app.knowledge.entry import Entry
from app.releases.catalog import Catalog
from app.releases.keeping import in_dropping_order
from app.releases.payloads import payload_of
from app.releases.vector_cache import key_of

logger = logging.getLogger(__name__)


async def drop_holding(catalog: Catalog, ids: Collection[str]) -> list[str]:
    """Drop every release but the active one whose files hold an entry of these ids; returns their names."""
    active = await catalog.active()
    holding = {name for entry_id in ids for name in await catalog.holding(entry_id)} - {active}
    dropped = in_dropping_order(await catalog.indexes.records(), holding)
    for name in dropped:
        await catalog.drop(name)
    return dropped


def forget_vectors(directory: Path, entries: Iterable[Entry]) -> None:
    """Delete the vectors of all texts of these entries from the caches in `directory`. Raises OSError."""
    payloads = [payload_of(entry) for entry in entries]
    texts = {text for p in payloads for text in (*p["phrasings"], *p["negatives"], answer_of(p))}
    keys = [(key_of(side, text),) for text in texts for side in SIDES]
    for path in directory.glob("*.db"):
        try:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("PRAGMA secure_delete=ON")
                connection.executemany("DELETE FROM checked_vectors WHERE key = ?", keys)
        except sqlite3.Error as error:  # a damaged cache is started again when it is next used
            logger.warning("The vector cache %s is deleted, as it cannot be changed: %s", path, error)
            path.unlink(missing_ok=True)
