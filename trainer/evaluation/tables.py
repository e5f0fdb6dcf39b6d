"""Figures side by side: base and fine-tuned, as tables and as JSON."""

import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query, read_queries
from app.retrieval.bundle import MANIFEST, Bundle
from trainer.data import renamed
from trainer.evaluation import figures, slices, statistics
from trainer.evaluation.evaluate import Protocol, outcomes_of
from trainer.evaluation.figures import COUNTS, HELP, Figures, Outcomes
from trainer.reading import read_index

BASE, TUNED = "base", "fine-tuned"
HEADLINES = ("precision@1", "mrr", "average_precision", "recall@5", "recall@10", "ndcg@10", "outranks_echo")
DECISIONS = (*HELP, "answered", "answered_right", "refused", "coverage@95", "coverage@90", "coverage@80")
CONFIDENCE = ("auroc_right", "auroc_answerable", "calibration_error")
SLICE = ("precision@1", "mrr", "helped", "answered", "answered_right", "refused")
CLEAR = 0.05  # a p below it is shown as a difference
SLICES = 25  # shown; all are in the JSON
log = logging.getLogger("trainer")


def side_by_side(
    directory: Path,
    queries: Sequence[Path],
    index: Path,
    protocol: Protocol,
    compare: bool,
    by: Sequence[str] = (),
    worst: int = 0,
) -> dict[str, Any]:
    """The figures of a bundle (or of a run's) and, with `compare`, of the base model that it was made from.

    `by`: fields to slice by; `worst`: how many of the lowest ranked questions to list. Raises InputError.
    """
    bundle = bundle_in(directory)
    entries, asked = read(queries, index)
    untouched = bundle.manifest.recipe == BASE
    systems = {BASE if untouched else TUNED: outcomes_of(bundle, entries, asked, protocol)}
    if compare and not untouched:
        try:
            with base_bundle(bundle.manifest.base_model) as base:
                systems = {BASE: outcomes_of(base, entries, asked, protocol), **systems}
        except InputError as error:
            log.warning("The base model is not shown: %s", error)
    found: dict[str, Any] = {"bundle": bundle.revision, "base_model": bundle.manifest.base_model, "protocol": protocol}
    found |= {"queries_files": [str(path) for path in queries], "index_file": str(index)}
    found["systems"] = {name: figured(outcomes, by, worst) for name, outcomes in systems.items()}
    if len(systems) == 2:
        found["differences"] = differences(systems[BASE], systems[TUNED])
    return found


def read(queries: Sequence[Path], index: Path) -> tuple[list[Entry], list[Query]]:
    """The entries and the queries about them. Raises FileError with every bad row, InputError."""
    entries, aliases = read_index(index)
    return entries, renamed([query for path in queries for query in read_queries(path)], aliases)


def figured(outcomes: Outcomes, by: Sequence[str] = (), worst: int = 0) -> Figures:
    """Figures, intervals, and the slices and worst questions that were asked for."""
    found = figures.with_intervals(outcomes)
    if by:
        found["slices"] = {field: slices.slices(outcomes, field) for field in by}
    if worst:
        found["worst"] = slices.worst(outcomes, worst)
    return found


def differences(before: Outcomes, after: Outcomes) -> dict[str, dict[str, float]]:
    """After minus before of every figure over the same queries, each with its interval and p."""
    about = before.about[before.answerable]
    found = {name: one.json() for name, one in statistics.differences(before.table, after.table, about).items()}
    if before.confidence is None or after.confidence is None:
        return found
    old, new = (figures.summary(one) for one in (before, after))
    samples = [
        statistics.bootstrap(figures.sampled(one, confidence), before.about)
        for one, confidence in ((before, before.confidence), (after, after.confidence))
    ]
    for i, name in enumerate(figures.SAMPLED):
        if name in old and name in new:
            change = statistics.bootstrap_difference(samples[0][:, i], samples[1][:, i], new[name] - old[name])
            found[name] = change.json()
    return found


def bundle_in(directory: Path) -> Bundle:
    """The bundle in `directory`, or in that of a run. Raises BundleError."""
    inside = directory / "bundle"
    return Bundle.load(inside if not (directory / MANIFEST).exists() and inside.is_dir() else directory)


@contextmanager
def base_bundle(base: str) -> Iterator[Bundle]:
    """The base model as a bundle for a while, in 32-bit floats. Raises InputError when it cannot be loaded."""
    from trainer import model
    from trainer.exporting import export

    with tempfile.TemporaryDirectory(prefix="faqtual-base-") as directory:
        loaded = model.load(base, "cpu")
        yield export.plain(loaded, Path(directory) / "bundle", base_model=base, recipe=BASE)


def show(found: dict[str, Any], console: Console | None = None) -> None:
    """Print the figures as a table, one system a column, their difference, slices and the worst questions."""
    console = console or Console()
    systems: dict[str, Figures] = found["systems"]
    first = next(iter(systems.values()))
    console.print(headline_table(systems, found.get("differences", {}), f"{found['protocol']}: {counts(first)}"))
    if any("calibration_error_of_perfect" in one for one in systems.values()):
        perfect = max(one.get("calibration_error_of_perfect", 0) for one in systems.values())
        console.print(f"[dim]At this size, true confidences have a calibration error below {perfect:.3f}.[/dim]")
    for field in first.get("slices", {}):
        console.print(slice_table({name: one["slices"][field] for name, one in systems.items()}, field))
    last, one = list(systems.items())[-1]
    if one.get("worst"):
        console.print(_worst_table(one["worst"], last))


def counts(one: Figures) -> str:
    """How much was measured, in words."""
    return ", ".join(f"{one[name]:,} {name.replace('_', ' ')}" for name in COUNTS if one.get(name))


def headline_table(systems: dict[str, Figures], changes: dict[str, dict[str, float]], title: str) -> Table:
    """The short table: each figure with its 95 % interval, and how it differs."""
    table = Table(
        "", *systems, *(["difference", "p"] if len(systems) == 2 else []), title=title, caption="[95 % interval]"
    )
    for names in (HEADLINES, DECISIONS, CONFIDENCE):
        for name in names:
            if not any(name in one for one in systems.values()) or _repeats(systems, name):
                continue
            values = [one[name] for one in systems.values() if name in one]
            cells = [_cell(one, name) for one in systems.values()]
            if name in changes:
                cells += change_cells(changes[name])
            elif len(values) == 2:
                cells.append(f"{values[1] - values[0]:+.3f}")
            table.add_row(name, *cells)
        table.add_section()
    return table


def change_cells(change: dict[str, float]) -> list[str]:
    """A difference with its interval, and its p; in bold where chance hardly gives as much."""
    text = f"{change['mean']:+.3f} \\[{change['low']:+.3f}, {change['high']:+.3f}]"
    p = f"{change['p']:.3f}" if change["p"] >= 0.001 else "<0.001"
    return [f"[bold]{text}[/bold]", f"[bold]{p}[/bold]"] if change["p"] < CLEAR else [text, p]


def write_json(found: dict[str, Any], path: Path) -> None:
    """Write the figures. Raises InputError when that cannot be."""
    try:
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "json") from error


def _repeats(systems: dict[str, Figures], name: str) -> bool:
    """Where each question has one right entry, average precision is the reciprocal rank: one row will do."""
    return name == "average_precision" and all(one[name] == one["mrr"] for one in systems.values() if name in one)


def _cell(one: Figures, name: str) -> str:
    if name not in one:
        return ""
    ends = one.get("intervals", {}).get(name)
    return f"{one[name]:.3f}" + (f" \\[{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def slice_table(systems: dict[str, dict[str, Figures]], field: str) -> Table:
    """One row a slice, one figure a column, the systems in each cell."""
    last = list(systems.values())[-1]
    shown = [name for name in SLICE if any(name in one for one in last.values())]
    table = Table(field, "queries", *(name for name in shown), title=f"by {field}")
    if len(systems) == 2:
        table.caption = " -> ".join(systems)
    for value, one in list(last.items())[:SLICES]:
        each = [system[value] for system in systems.values()]
        cells = [" -> ".join(f"{one[name]:.3f}" for one in each if name in one) for name in shown]
        if len(each) == 1 and "precision@1" in one:
            cells[shown.index("precision@1")] = _cell(one, "precision@1")
        table.add_row(escape(value), f"{one['queries']:,}", *cells)
    if len(last) > SLICES:
        table.add_row(f"… {len(last) - SLICES} more", "")
    return table


def _worst_table(worst: list[Figures], system: str) -> Table:
    table = Table("rank", "question", "right", "first instead", title=f"worst questions, {system}", show_lines=True)
    for one in worst:
        table.add_row(str(one["rank"]), *map(escape, (one["question"], one["right"]["text"], one["top"][0]["text"])))
    return table
