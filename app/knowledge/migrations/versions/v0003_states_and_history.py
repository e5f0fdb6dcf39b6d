"""State, validity, follow-ups and versions of entries; their history. Rolling back loses these, and no entry."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.knowledge.search import terms

revision = "0003"
down_revision = "0002"

_BATCH = 1_000


def upgrade() -> None:
    """Add the columns and the table; every entry is live and in its first version."""
    op.add_column("entries", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    for column in _publication():
        op.add_column("entries", column)
    op.add_column("entries", sa.Column("terms", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "entry_versions",
        sa.Column("entry_id", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("alternatives", sa.JSON, nullable=False),
        sa.Column("negatives", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        *_publication(),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_entry_versions_replaced_at", "entry_versions", ["replaced_at"])
    _fill(op.get_bind())


def downgrade() -> None:
    """Drop the table and the columns."""
    op.drop_table("entry_versions")
    with op.batch_alter_table("entries") as entries:
        for column in (*(column.name for column in _publication()), "version", "terms"):
            entries.drop_column(column)


def _publication() -> list["sa.Column[Any]"]:
    return [
        sa.Column("state", sa.String(16), nullable=False, server_default="live"),
        sa.Column("valid_from", sa.String(20)),
        sa.Column("valid_until", sa.String(20)),
        sa.Column("follow_ups", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("changed_by", sa.String(64)),
        sa.Column("act", sa.String(16), nullable=False, server_default="imported"),
    ]


def _fill(connection: sa.Connection) -> None:
    """Write `terms` of every entry with metadata, a batch at a time."""
    entries = sa.table("entries", sa.column("id", sa.Text), sa.column("metadata", sa.JSON), sa.column("terms", sa.Text))
    by_id = sa.update(entries).where(entries.c.id == sa.bindparam("entry_id"))
    last = ""  # below every id
    while rows := connection.execute(
        sa.select(entries.c.id, entries.c.metadata).where(entries.c.id > last).order_by(entries.c.id).limit(_BATCH)
    ).all():
        values = [{"entry_id": row[0], "terms": terms(row[1])} for row in rows if row[1]]
        if values:
            connection.execute(by_id, values)
        last = rows[-1][0]
