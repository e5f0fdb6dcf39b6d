"""The history of runs: what each release was measured to answer on the golden questions, and which are blocked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, func, insert, select, update

from app.golden.judging import Judged
from app.golden.tables import RunRow
from app.knowledge.database import Database
from app.knowledge.tables import utc_now

RunOutcome = Literal["passed", "blocked", "overridden", "measured"]

DETAILED = 1_000  # questions of each kind that a run keeps; the counts are of all
KEPT = 2_000  # runs


@dataclass(frozen=True)
class Run:
    """One measurement. `against`: the release that was live; `outcome`: whether the release could be activated, or
    `measured` where nobody wanted to."""

    id: int
    release: str
    against: str | None
    outcome: RunOutcome
    questions: int
    asked: int
    right: int
    broken: int
    fixed: int
    waived: int
    broken_questions: list[dict[str, Any]]
    waived_questions: list[dict[str, Any]]
    overridden_by: str | None
    took_ms: int
    created_at: datetime


@dataclass(frozen=True)
class RunPage:
    """Runs, newest first. `next_before`: the id that the next page begins before; None on the last."""

    runs: list[Run]
    total: int
    next_before: int | None


class Runs:
    """The runs of one database. Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        release: str,
        against: str | None,
        judged: Judged,
        outcome: RunOutcome,
        took_ms: int,
        by: str | None = None,
    ) -> Run:
        """Keep a run; the oldest beyond KEPT are forgotten. `by`: who overrides the gate with it."""
        values = {
            "release": release,
            "against": against,
            "outcome": outcome,
            **{name: getattr(judged, name) for name in ("questions", "asked", "right", "fixed")},
            "broken": len(judged.broken),
            "waived": len(judged.waived),
            "details": {
                name: [missed.document() for missed in getattr(judged, name)[:DETAILED]]
                for name in ("broken", "waived")
            },
            "overridden_by": by,
            "took_ms": took_ms,
            "created_at": utc_now(),
        }
        with self._database.write(lock=None) as connection:
            run_id = connection.scalar(insert(RunRow).values(values).returning(RunRow.id)) or 0
            connection.execute(delete(RunRow).where(RunRow.id <= run_id - KEPT))
            return _run(connection.execute(_runs().where(RunRow.id == run_id)).one())

    def page(self, limit: int = 50, before: int | None = None, release: str | None = None) -> RunPage:
        """Up to `limit` runs, of one release or of all, newest first."""
        conditions = [] if release is None else [RunRow.release == release]
        query = _runs().where(*conditions).order_by(RunRow.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(RunRow.id < before)
        with self._database.read() as connection:
            runs = [_run(row) for row in connection.execute(query)]
            total = connection.scalar(select(func.count()).select_from(RunRow).where(*conditions)) or 0
        following = runs[limit - 1].id if len(runs) > limit else None
        return RunPage(runs[:limit], total, following)

    def of_gate(self, releases: Sequence[str]) -> dict[str, Run]:
        """The latest run that decided about each of the releases, by its name; releases without one are left out."""
        latest = select(func.max(RunRow.id)).where(RunRow.release.in_(releases), _DECIDED).group_by(RunRow.release)
        with self._database.read() as connection:
            runs = map(_run, connection.execute(_runs().where(RunRow.id.in_(latest))))
            return {run.release: run for run in runs}

    def blocked(self) -> list[str]:
        """The releases that the gate blocked and nobody has overridden, the newest run first."""
        latest = select(func.max(RunRow.id)).where(_DECIDED).group_by(RunRow.release)
        blocked = select(RunRow.release).where(RunRow.id.in_(latest), RunRow.outcome == "blocked")
        with self._database.read() as connection:
            return list(connection.scalars(blocked.order_by(RunRow.id.desc())))

    def override(self, release: str, by: str) -> None:
        """Note that a blocked release was activated nevertheless."""
        latest = select(func.max(RunRow.id)).where(RunRow.release == release, _DECIDED).scalar_subquery()
        change = update(RunRow).where(RunRow.id == latest, RunRow.outcome == "blocked")
        with self._database.write(lock=None) as connection:
            connection.execute(change.values(outcome="overridden", overridden_by=by))


_COLUMNS = (
    RunRow.id,
    RunRow.release,
    RunRow.against,
    RunRow.outcome,
    RunRow.questions,
    RunRow.asked,
    RunRow.right,
    RunRow.broken,
    RunRow.fixed,
    RunRow.waived,
    RunRow.details,
    RunRow.overridden_by,
    RunRow.took_ms,
    RunRow.created_at,
)

_DECIDED = RunRow.outcome != "measured"


def _runs() -> Any:  # noqa: ANN401 - a select of many columns
    return select(*_COLUMNS)


def _run(row: Any) -> Run:  # noqa: ANN401 - a row of those columns
    values = dict(row._mapping)
    details = values.pop("details")
    return Run(**values, broken_questions=details["broken"], waived_questions=details["waived"])
