"""The secret that signs feedback tokens: made once, kept in the database, the same for every replica."""

import secrets

from sqlalchemy import select

from app.knowledge.database import Database
from app.questions.rollups import inserting
from app.questions.tables import SecretRow

_NAME = "feedback"


def signing_secret(database: Database) -> bytes:
    """The secret, 32 bytes; made where there is none yet. Raises StoreError."""
    query = select(SecretRow.value).where(SecretRow.name == _NAME)
    with database.read() as connection:
        value = connection.scalar(query)
    if value is None:
        new = {"name": _NAME, "value": secrets.token_hex(32)}
        with database.write(lock=None) as connection:
            connection.execute(inserting(connection, SecretRow).on_conflict_do_nothing(index_elements=["name"]), new)
            value = connection.scalar(query)
    return bytes.fromhex(str(value))
