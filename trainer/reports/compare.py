"""Comparison of two bundles on the same questions: differences, their significance, and the questions that changed."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.encoding.bundle import Bundle
from app.errors import NotFound
from trainer.evaluation import slices, statistics
from trainer.evaluation.evaluate import outcomes_of
from trainer.evaluation.figures import Figures, Outcomes
from trainer.reports import tables
from trainer.runs import Run


def compare(a: str, b: str, queries: Sequence[Path], index: Path, by: Sequence[str] = ()) -> dict[str, Any]:
    """The comparison of A with B, ready for JSON. Each is a bundle's directory, a run's directory or a run's name.

    Raises BundleError, InputError, and FileError with every bad row of a file.
    """
    bundles = [bundle_named(name) for name in (a, b)]
    entries, asked = tables.read(queries, index)
    before, after = (outcomes_of(bundle, entries, asked, "answers") for bundle in bundles)
    return {
        "queries_files": [str(path) for path in queries],
        "index_file": str(index),
        "a": _system(a, bundles[0], tables.figured(before, by)),
        "b": _system(b, bundles[1], tables.figured(after, by)),
        **compared(before, after),
    }


def _system(name: str, bundle: Bundle, figures: Figures) -> dict[str, Any]:
    manifest = bundle.manifest
    origin = {"bundle": manifest.revision, "base_model": manifest.base_model, "recipe": manifest.recipe}
    return {"name": name, **origin, "figures": figures}


def bundle_named(name: str) -> Bundle:
    """The bundle in a directory, in a run's directory, or of the run with that name. Raises BundleError."""
    path = Path(name)
    if not path.exists():
        with suppress(NotFound):  # loading the bundle reports what is wrong
            path = Run.find(name).directory
    return tables.bundle_in(path)


def compared(before: Outcomes, after: Outcomes) -> dict[str, Any]:
    """The differences of the figures, counts of the questions that changed, and all questions, most improved first."""
    questions = [_question(before, after, i) for i in range(len(before.queries))]
    answerable = [question for question in questions if question["right"]]
    places = [(question["a"]["rank"], question["b"]["rank"]) for question in answerable]
    refused = [(question["a"]["refused"], question["b"]["refused"]) for question in questions if not question["right"]]
    changes = Counter(question["change"] for question in answerable)
    return {
        "differences": tables.differences(before, after),
        **{change: changes[change] for change in ("better", "worse", "same")},
        "sign_test_p": _sign_test(before, after),
        "now_first": sum(a > 1 and b == 1 for a, b in places),
        "no_longer_first": sum(a == 1 and b > 1 for a, b in places),
        "now_refused": sum(b and not a for a, b in refused),
        "no_longer_refused": sum(a and not b for a, b in refused),
        "questions": sorted(questions, key=lambda question: -question["gain"]),
    }


def _sign_test(before: Outcomes, after: Outcomes) -> float:
    """The p of the sign test on each entry's net change: by how many places the right answers of its questions rose."""
    rises = [a[0] - b[0] for a, b in zip(before.ranked, after.ranked, strict=True) if len(a)]
    return statistics.sign_test_of(np.array(rises, dtype=np.float64), before.about[before.answerable])


def _question(before: Outcomes, after: Outcomes, i: int) -> Figures:
    """One question by both. `gain`: in reciprocal rank, or in refusing an unanswerable question (1, 0, -1)."""
    a, b = slices.shown(before, i), slices.shown(after, i)
    common = {name: (a.pop(name), b.pop(name))[0] for name in ("question", "right")}
    gain = 1 / b["rank"] - 1 / a["rank"] if common["right"] else float(b["refused"]) - float(a["refused"])
    return {**common, "change": "better" if gain > 0 else "worse" if gain < 0 else "same", "gain": gain, "a": a, "b": b}


def show(comparison: dict[str, Any], top: int, console: Console | None = None) -> None:
    """Print the figures of both, the verdict, and the `top` questions that got better and worse most."""
    console = console or Console()
    for name in ("a", "b"):
        origin = "{name} ({recipe}, {bundle})".format(**comparison[name])
        console.print(f"{name.upper()}: {origin}", markup=False, highlight=False)
    systems = {name.upper(): comparison[name]["figures"] for name in ("a", "b")}
    tables.show_figures(console, systems, comparison["differences"])
    console.print(verdict(comparison), highlight=False)
    questions = comparison["questions"]
    _show_changed(console, questions, "better", "rightly refused by B only", top)
    _show_changed(console, questions[::-1], "worse", "wrongly answered by B only", top)


def verdict(comparison: dict[str, Any]) -> str:
    """In sentences: how many questions changed in which direction, and whether chance explains it."""
    first = comparison["differences"].get("precision@1")
    lines = [
        "With B the right answer ranks higher for {better} questions, lower for {worse} and the same for {same} "
        "(sign test on entries: {p}). {now_first} are now first, {no_longer_first} no longer."
    ]
    if comparison["now_refused"] or comparison["no_longer_refused"]:
        lines.append(
            "Of the questions that nothing answers, {now_refused} are now rightly refused, "
            "{no_longer_refused} no longer."
        )
    if first is not None and first["p"] < tables.CLEAR:
        better = "B" if first["mean"] > 0 else "A"
        lines.append(f"{better} puts the right answer first more often; chance hardly explains it ({{p_first}}).")
    elif first is not None:
        lines.append("By precision@1 A and B do not differ significantly on these questions ({p_first}).")
    p_first = statistics.p_equation(first["p"]) if first else ""
    return "\n".join(lines).format(**comparison, p=statistics.p_equation(comparison["sign_test_p"]), p_first=p_first)


def _show_changed(console: Console, questions: Sequence[Figures], change: str, refusals: str, top: int) -> None:
    """Print the first `top` questions that changed so, the answerable ones and the others in tables of their own."""
    changed = [question for question in questions if question["change"] == change]
    for answerable, title in ((True, f"{change} with B"), (False, refusals)):
        rows = [question for question in changed if bool(question["right"]) is answerable]
        columns = [*(["rank"] if answerable else []), "question", "first with A", "first with B"]
        table = Table(*columns, title=f"{title}: {min(top, len(rows))} of {len(rows)}", show_lines=True)
        for row in rows[:top]:
            ranks = [f"{row['a']['rank']} -> {row['b']['rank']}"] if answerable else []
            table.add_row(*ranks, escape(row["question"]), _first(row["a"]), _first(row["b"]))
        if table.row_count:
            console.print(table)


def _first(system: Figures) -> str:
    text = escape(system["top"][0]["text"])
    return f"[green]✓ {text}[/green]" if system["rank"] == 1 else text
