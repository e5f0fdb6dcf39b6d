"""The question log, feedback, counts of outcomes and entries, and the shared secret. Rolling back loses these alone."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables."""
    _questions()
    _feedback()
    op.create_table(
        "outcome_hours",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("outcome", sa.String(16), primary_key=True),
        sa.Column("tenth", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("questions", sa.BigInteger, nullable=False),
        sa.Column("took_ms", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "entry_days",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("faq_id", sa.String(200), primary_key=True),
        sa.Column("hits", sa.BigInteger, nullable=False),
        sa.Column("options", sa.BigInteger, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("last_asked", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "question_days",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("answered", sa.BigInteger, nullable=False),
        sa.Column("ambiguous", sa.BigInteger, nullable=False),
        sa.Column("no_answer", sa.BigInteger, nullable=False),
        sa.Column("last_asked", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("secrets", "question_days", "entry_days", "outcome_hours", "feedback", "questions"):
        op.drop_table(table)


def _questions() -> None:
    op.create_table(
        "questions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("request_id", sa.String(40), nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("normalized", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("faq_id", sa.String(200)),
        sa.Column("confidence", sa.Double),
        sa.Column("took_ms", sa.Double, nullable=False),
        sa.Column("release", sa.String(200), nullable=False),
        sa.Column("key_name", sa.String(64)),
        sa.Column("session", sa.String(64)),
    )
    op.create_index("ix_questions_asked_at", "questions", ["asked_at", "id"])
    op.create_index("ix_questions_request_id", "questions", ["request_id"], unique=True)
    op.create_index("ix_questions_session", "questions", ["session"])


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("request_id", sa.String(40), primary_key=True),
        sa.Column("faq_id", sa.String(200), primary_key=True),
        sa.Column("helpful", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String(16)),
        sa.Column("comment", sa.Text),
        sa.Column("correct_faq_id", sa.String(200)),
        sa.Column("question", sa.Text),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("release", sa.String(200), nullable=False),
        sa.Column("key_name", sa.String(64)),
        sa.Column("session", sa.String(64)),
        sa.Column("given_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
    )
    op.create_index("ix_feedback_given_at", "feedback", ["given_at", "request_id", "faq_id"])
    op.create_index("ix_feedback_session", "feedback", ["session"])
