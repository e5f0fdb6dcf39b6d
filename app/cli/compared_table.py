"""Prints the comparison of two releases to a terminal."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import get_args

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from app.golden.judging import Outcome, Verdict
from app.releases.examining import Compared

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
SHOWN = 200  # questions of the table; JSON has all


def show(compared: Sequence[Compared], console: Console, as_json: bool) -> None:
    """Print the questions that are answered differently, the worse ones first, and the counts."""
    if as_json:
        console.print_json(json.dumps([_document(item) for item in compared]))
        return
    different = sorted(
        (item for item in compared if item.verdict != "same"), key=lambda item: _ORDER.index(item.verdict)
    )
    if different:
        console.print(_table(different[:SHOWN]))
    counts = Counter(item.verdict for item in compared)
    summary = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in VERDICTS)
    console.print(f"{len(compared):,} golden questions: {summary}.", highlight=False)


_ORDER: tuple[Verdict, ...] = ("worse", "better", "changed", "same")


def _table(compared: Sequence[Compared]) -> Table:
    table = Table("", Column("question", max_width=60), "expected", "before", "after")
    for item in compared:
        cells = (item.question, item.expected or "no answer", _outcome(item.before), _outcome(item.after))
        table.add_row(item.verdict, *map(Text, cells))
    return table


def _outcome(outcome: Outcome) -> str:
    return f"{', '.join(outcome.shown) or 'no answer'} ({outcome.confidence:.0%})"


def _document(item: Compared) -> dict[str, object]:
    outcomes = {
        name: {
            "status": outcome.status,
            "answers": outcome.shown,
            "confidence": round(outcome.confidence, 4),
            "right": outcome.right,
        }
        for name, outcome in (("before", item.before), ("after", item.after))
    }
    return {"question": item.question, "faq_id": item.expected, "verdict": item.verdict, **outcomes}
