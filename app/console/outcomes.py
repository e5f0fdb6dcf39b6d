"""The outcomes of questions as columns of charts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from app.console.charts import Stack
from app.questions.asked import DAY_S, HOUR_S
from app.questions.figures import HourFigures, Period

STATUSES = ("answered", "ambiguous", "no_answer")


def outcome_stacks(hours: Sequence[HourFigures], period: Period, days: int) -> list[Stack]:
    """A column an hour for one day, else a column a day; also for times in which nobody asked."""
    step, form = (HOUR_S, "%H:00") if days == 1 else (DAY_S, "%d %b")
    sums: Counter[tuple[int, str]] = Counter()
    for hour in hours:
        for status in STATUSES:
            sums[int(hour.hour // step), status] += getattr(hour, status)
    columns = range(int(period.start // step) + 1, int(period.end // step) + 1)
    return [
        Stack(datetime.fromtimestamp(column * step, UTC).strftime(form), [sums[column, status] for status in STATUSES])
        for column in columns
    ]


def confidence_stacks(tenths: Mapping[int, int]) -> list[Stack]:
    """A column for each tenth of confidence; empty where nothing was counted."""
    if not tenths:
        return []
    return [Stack(f"{10 * tenth}–{10 * tenth + 10} %", [tenths.get(tenth, 0)]) for tenth in range(10)]
