"""The table of the installation: its id, by which a shared Qdrant server knows it. Rolling back loses the id."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table; the id is made when it is first asked for."""
    op.create_table(
        "installation", sa.Column("name", sa.String(32), primary_key=True), sa.Column("value", sa.Text, nullable=False)
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("installation")
