"""What identifies an installation: a random id in its database."""

import uuid

from sqlalchemy import String, Text, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from app.knowledge.database import Database
from app.knowledge.tables import Base


class InstallationRow(Base):
    """One fact about the installation."""

    __tablename__ = "installation"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


_ID = select(InstallationRow.value).where(InstallationRow.name == "id")


def installation_id(database: Database) -> str:
    """The id of the installation, made when it is first asked for. Raises StoreError.

    A copy of the database has the same id: a restored installation still owns what it published.
    """
    with database.read() as connection:
        known = connection.scalar(_ID)
    if known is not None:
        return known
    with database.write() as connection:
        known = connection.scalar(_ID)  # another process may have made it in between
        if known is None:
            known = str(uuid.uuid4())
            connection.execute(insert(InstallationRow).values(name="id", value=known))
        return known
