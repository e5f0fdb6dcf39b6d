"""Unanswered questions: the group of each, and what a person decided about them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "question_groups",
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("cluster", sa.BigInteger, nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
    )
    op.create_table(
        "reviews",
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("done_by", sa.String(64), nullable=False),
        sa.Column("done_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("reviews")
    op.drop_table("question_groups")
