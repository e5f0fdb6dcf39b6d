"""The table of jobs, and the lease that says whether a job's worker lives. A change here needs a migration."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Double, Index, String, Text, and_, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.knowledge.tables import Base, UtcDateTime, utc_now

LEASE_S = 60.0  # a worker that has not renewed its lease for so long is dead


class JobRow(Base):
    """One job. `status`: queued, running, succeeded, failed or canceled.

    `lease_until`: seconds since 1970 by the database's clock; the worker renews it. None in rows of a version
    that knew no leases.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_created_at", "created_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    release: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[float | None] = mapped_column(Double)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class DatabaseNow(FunctionElement[float]):
    """Seconds since 1970, by the clock of the database: replicas agree on it, whatever their own clocks say."""

    type = Double()
    inherit_cache = True


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(element: DatabaseNow, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ANN401
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(DatabaseNow, "postgresql")
def _postgresql_now(element: DatabaseNow, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ANN401
    return "extract(epoch FROM clock_timestamp())::float8"


def new_lease() -> ColumnElement[float]:
    """The value of `lease_until` for a lease that begins now."""
    return DatabaseNow() + LEASE_S


def lease_holds() -> ColumnElement[bool]:
    """Whether a row's lease holds now. One that ends later than any lease can was written before the clock was set
    back, and does not."""
    ends = func.coalesce(JobRow.lease_until, 0.0)
    return and_(ends > DatabaseNow(), ends <= DatabaseNow() + 2 * LEASE_S)
