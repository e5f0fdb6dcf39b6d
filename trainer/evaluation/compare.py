"""Two models on the same questions: what differs, whether by chance, and which questions got better or worse."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.errors import NotFound
from app.retrieval.bundle import Bundle
from trainer.evaluation import slices, statistics
from trainer.evaluation import tables as report
from trainer.evaluation.evaluate import outcomes_of
from trainer.evaluation.figures import Figures, Outcomes
from trainer.runs import Run

Change = Literal["better", "worse", "same"]


def compare(a: str, b: str, queries: Sequence[Path], index: Path, by: Sequence[str] = ()) -> dict[str, Any]:
    """Everything about A against B, ready for JSON; each names a bundle's directory, a run's, or a run.

    Raises BundleError, InputError, FileError with every bad row of a file.
    """
    bundles = {"a": bundle_named(a), "b": bundle_named(b)}
    entries, asked = report.read(queries, index)
    outcomes = {name: outcomes_of(bundle, entries, asked, "answers") for name, bundle in bundles.items()}
    found: dict[str, Any] = {"queries_files": [str(path) for path in queries], "index_file": str(index)}
    for name, given in (("a", a), ("b", b)):
        manifest = bundles[name].manifest
        named = {
            "name": given,
            "bundle": manifest.revision,
            "base_model": manifest.base_model,
            "recipe": manifest.recipe,
        }
        found[name] = {**named, "figures": report.figured(outcomes[name], by)}
    return {**found, **compared(outcomes["a"], outcomes["b"])}


def bundle_named(name: str) -> Bundle:
    """The bundle in that directory, in that run's, or of the run called so. Raises BundleError."""
    path = Path(name)
    if not path.exists():
        with suppress(NotFound):  # loading it says what is wrong
            path = Run.find(name).directory
    return report.bundle_in(path)


def compared(before: Outcomes, after: Outcomes) -> dict[str, Any]:
    """Differences of the figures with their significance; which questions changed; all of them, most improved first."""
    questions = [_question(before, after, i) for i in range(len(before.queries))]
    moved = [one for one in questions if one["right"]]
    places = [(one["a"]["rank"], one["b"]["rank"]) for one in moved]
    better, worse = (sum(one["change"] == kind for one in moved) for kind in ("better", "worse"))
    refused = [(one["a"]["refused"], one["b"]["refused"]) for one in questions if not one["right"]]
    return {
        "differences": report.differences(before, after),
        "better": better,
        "worse": worse,
        "same": len(moved) - better - worse,
        "sign_test_p": _sign_test(before, after),
        "now_first": sum(a > 1 and b == 1 for a, b in places),
        "no_longer_first": sum(a == 1 and b > 1 for a, b in places),
        "now_refused": sum(b and not a for a, b in refused),
        "no_longer_refused": sum(a and not b for a, b in refused),
        "questions": sorted(questions, key=lambda one: -one["gain"]),
    }


def _sign_test(before: Outcomes, after: Outcomes) -> float:
    """Two-sided p, entry by entry: whether right answers rose for more of its questions than they fell for."""
    rises = [was[0] - now[0] for was, now in zip(before.ranked, after.ranked, strict=True) if len(was)]
    return statistics.sign_test_of(np.array(rises, dtype=np.float64), before.about[before.answerable])


def _question(before: Outcomes, after: Outcomes, i: int) -> Figures:
    """One question under both. `gain`: of the reciprocal rank; where nothing is right, of refusing (1, 0 or -1)."""
    each = {"a": slices.shown(before, i), "b": slices.shown(after, i)}
    common = {name: each["a"][name] for name in ("question", "right")}
    parts = {name: {key: one[key] for key in one if key not in common} for name, one in each.items()}
    if common["right"]:
        gain = 1 / parts["b"]["rank"] - 1 / parts["a"]["rank"]
    else:
        gain = float(parts["b"]["refused"]) - float(parts["a"]["refused"])
    change: Change = "better" if gain > 0 else "worse" if gain < 0 else "same"
    return {**common, "change": change, "gain": gain, **parts}


def show(found: dict[str, Any], top: int, console: Console | None = None) -> None:
    """Print the figures of both, the verdict, and the `top` questions that changed most, each way."""
    console = console or Console()
    systems = {name.upper(): found[name]["figures"] for name in ("a", "b")}
    for name in ("a", "b"):
        one = found[name]
        console.print(
            f"{name.upper()}: {one['name']} ({one['recipe']}, {one['bundle']})", markup=False, highlight=False
        )
    console.print(report.headline_table(systems, found["differences"], report.counts(systems["A"])))
    for field in systems["A"].get("slices", {}):
        console.print(report.slice_table({name: one["slices"][field] for name, one in systems.items()}, field))
    console.print(verdict(found), highlight=False)
    for kind, order in (("better", 1), ("worse", -1)):
        some = [one for one in found["questions"][::order] if one["change"] == kind]
        ranked = [one for one in some if one["right"]]
        refusals = [one for one in some if not one["right"]]
        _show_changed(console, ranked[:top], f"{kind} with B: {min(top, len(ranked))} of {len(ranked)}")
        what = "rightly refused by B only" if kind == "better" else "wrongly answered by B only"
        _show_changed(console, refusals[:top], f"{what}: {min(top, len(refusals))} of {len(refusals)}")


def verdict(found: dict[str, Any]) -> str:
    """In words: how many questions changed which way, and whether chance alone would do that."""
    lines = [
        f"With B the right answer stands higher for {found['better']} questions, lower for {found['worse']}, as before "
        f"for {found['same']} (sign test on entries: p {_p(found['sign_test_p'])}). "
        f"{found['now_first']} are now first, {found['no_longer_first']} no longer."
    ]
    if found["now_refused"] or found["no_longer_refused"]:
        lines.append(
            f"Of the questions that nothing answers, {found['now_refused']} are now rightly refused, "
            f"{found['no_longer_refused']} no longer."
        )
    first = found["differences"].get("precision@1")
    if first is not None and first["p"] < report.CLEAR:
        better = "B" if first["mean"] > 0 else "A"
        lines.append(
            f"{better} puts the right answer first more often; chance hardly explains it (p {_p(first['p'])})."
        )
    elif first is not None:
        lines.append(f"By precision@1 the two cannot be told apart on these questions (p {_p(first['p'])}).")
    return "\n".join(lines)


def _show_changed(console: Console, questions: Sequence[Figures], title: str) -> None:
    if not questions:
        return
    ranked = bool(questions[0]["right"])
    table = Table(
        *(["rank"] if ranked else []), "question", "first with A", "first with B", title=title, show_lines=True
    )
    for one in questions:
        ranks = [f"{one['a']['rank']} -> {one['b']['rank']}"] if ranked else []
        table.add_row(*ranks, escape(one["question"]), *(_first(one, name) for name in ("a", "b")))
    console.print(table)


def _first(one: Figures, name: str) -> str:
    text = escape(one[name]["top"][0]["text"])
    if one["right"] and one[name]["rank"] == 1:
        return f"[green]✓ {text}[/green]"
    return text


def _p(p: float) -> str:
    return f"= {p:.3f}" if p >= 0.001 else "< 0.001"
