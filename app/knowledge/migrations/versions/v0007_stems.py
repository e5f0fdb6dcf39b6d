"""The stems by which lists are searched. The service writes them when it starts; rolling back loses nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns, empty: the language of the FAQ is not known here."""
    op.add_column("entries", sa.Column("stems", sa.Text, nullable=False, server_default=""))
    op.add_column("entries", sa.Column("stem_language", sa.String(16), nullable=False, server_default=""))
    op.create_index("ix_entries_stem_language", "entries", ["stem_language"])


def downgrade() -> None:
    """Drop the columns."""
    op.drop_index("ix_entries_stem_language", "entries")
    with op.batch_alter_table("entries") as entries:
        entries.drop_column("stems")
        entries.drop_column("stem_language")
