"""Golden questions, and the runs that measure releases on them. Rolling back loses both."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "golden_questions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("faq_id", sa.String(200)),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("searchable", sa.Text, nullable=False),
        sa.Column("changed_by", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_golden_questions_digest", "golden_questions", ["digest"], unique=True)
    op.create_table(
        "golden_runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("release", sa.String(200), nullable=False),
        sa.Column("against", sa.String(200)),
        sa.Column("outcome", sa.String(16), nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("questions", "asked", "right", "broken", "fixed", "waived")
        ),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("overridden_by", sa.String(64)),
        sa.Column("took_ms", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_golden_runs_release", "golden_runs", ["release"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("golden_runs")
    op.drop_table("golden_questions")
