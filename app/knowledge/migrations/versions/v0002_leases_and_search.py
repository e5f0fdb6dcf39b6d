"""The lease of a job, and what a search looks into. Rolling back loses neither entries nor jobs."""

import sqlalchemy as sa
from alembic import op

from app.knowledge.search import searchable

revision = "0002"
down_revision = "0001"

_BATCH = 1_000


def upgrade() -> None:
    """Add both columns; a job that runs now has no lease, and is taken for dead."""
    op.add_column("jobs", sa.Column("lease_until", sa.Double))
    op.add_column("entries", sa.Column("searchable", sa.Text, nullable=False, server_default=""))
    _fill(op.get_bind())


def downgrade() -> None:
    """Drop both columns."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("lease_until")
    with op.batch_alter_table("entries") as entries:
        entries.drop_column("searchable")


def _fill(connection: sa.Connection) -> None:
    """Write `searchable` of every entry, a batch at a time."""
    names = ("id", "question", "answer", "alternatives", "searchable")
    entries = sa.table("entries", *(sa.column(name, sa.JSON if name == "alternatives" else sa.Text) for name in names))
    columns = [entries.c[name] for name in names[:4]]
    by_id = sa.update(entries).where(entries.c.id == sa.bindparam("entry_id"))
    last = ""  # below every id
    while rows := connection.execute(
        sa.select(*columns).where(entries.c.id > last).order_by(entries.c.id).limit(_BATCH)
    ).all():
        values = [{"entry_id": row[0], "searchable": searchable(*row)} for row in rows]
        connection.execute(by_id, values)
        last = rows[-1][0]
