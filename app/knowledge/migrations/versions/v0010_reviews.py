"""Questions that a person has dealt with."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "reviews",
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("done_by", sa.String(64), nullable=False),
        sa.Column("done_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("reviews")
