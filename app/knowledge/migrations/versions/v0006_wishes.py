"""Changes that wait for a release of their own, and the moments at which validity begins and ends."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table, and an index of each kind of moment; few entries have one."""
    op.create_table(
        "wishes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("entry_id", sa.String(200)),
        sa.Column("erased", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    for name in ("valid_from", "valid_until"):
        known = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_entries_{name}", "entries", [name], sqlite_where=known, postgresql_where=known)


def downgrade() -> None:
    """Drop the indexes and the table."""
    for name in ("valid_until", "valid_from"):
        op.drop_index(f"ix_entries_{name}", "entries")
    op.drop_table("wishes")
