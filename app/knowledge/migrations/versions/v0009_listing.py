"""Indexes that lists, counts and the latest changes read in place of the entries, whose texts are long."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the indexes."""
    columns = ["updated_at", "id", "state", "act", "valid_from", "valid_until"]
    op.create_index("ix_entries_listed", "entries", columns)
    op.create_index("ix_entry_versions_updated_at", "entry_versions", ["updated_at", "act", "entry_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_entry_versions_updated_at", "entry_versions")
    op.drop_index("ix_entries_listed", "entries")
