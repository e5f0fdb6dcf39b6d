"""Secrets that sign tokens and cookies: made once, kept in the database, the same for every replica."""

import secrets

from sqlalchemy import select

from app.knowledge.database import Database
from app.questions.rollups import inserting
from app.questions.tables import SecretRow

FEEDBACK = "feedback"


def signing_secret(database: Database, name: str = FEEDBACK) -> bytes:
    """The secret of this name, 32 bytes; made where there is none yet. Raises StoreError."""
    query = select(SecretRow.value).where(SecretRow.name == name)
    with database.read() as connection:
        value = connection.scalar(query)
    if value is None:
        new = {"name": name, "value": secrets.token_hex(32)}
        with database.write(lock=None) as connection:
            connection.execute(inserting(connection, SecretRow).on_conflict_do_nothing(index_elements=["name"]), new)
            value = connection.scalar(query)
    return bytes.fromhex(str(value))
