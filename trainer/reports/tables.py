"""The figures of one or two systems, and their differences, as tables for a terminal and as JSON."""

import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.encoding.bundle import MANIFEST, Bundle
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query, read_queries
from trainer.data.reading import read_index
from trainer.data.training_set import renamed
from trainer.evaluation import figures, slices, statistics
from trainer.evaluation.evaluate import Protocol, outcomes_of
from trainer.evaluation.figures import COUNTS, HELP, Figures, Outcomes

BASE, TUNED = "base", "fine-tuned"
HEADLINES = ("precision@1", "mrr", "average_precision", "recall@5", "recall@10", "ndcg@10", "outranks_echo")
DECISIONS = (*HELP, "answered", "answered_right", "refused", "coverage@95", "coverage@90", "coverage@80")
CONFIDENCE = ("auroc_right", "auroc_answerable", "calibration_error")
SLICE = ("precision@1", "mrr", "helped", "answered", "answered_right", "refused")
CLEAR = 0.05  # a difference with a smaller p is in bold
SLICES = 25  # rows of a table; the JSON has all slices
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
    """The figures of the bundle in `directory` or in a run and, with `compare`, of its base model, ready for JSON.

    `by`: fields to slice by; `worst`: how many of the lowest ranked questions to list. Raises InputError, BundleError.
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
            log.warning("The base model is not measured: %s", error)
    return {
        "bundle": bundle.revision,
        "base_model": bundle.manifest.base_model,
        "protocol": protocol,
        "queries_files": [str(path) for path in queries],
        "index_file": str(index),
        "systems": {name: figured(outcomes, by, worst) for name, outcomes in systems.items()},
        **({"differences": differences(systems[BASE], systems[TUNED])} if len(systems) == 2 else {}),
    }


def read(queries: Sequence[Path], index: Path) -> tuple[list[Entry], list[Query]]:
    """The entries and the queries about them. Raises FileError with every bad row, InputError."""
    entries, aliases = read_index(index)
    return entries, renamed([query for path in queries for query in read_queries(path)], aliases)


def figured(outcomes: Outcomes, by: Sequence[str] = (), worst: int = 0) -> Figures:
    """Figures with intervals, slices by the fields `by`, and the `worst` lowest ranked questions."""
    report = figures.with_intervals(outcomes)
    if by:
        report["slices"] = {field: slices.slices(outcomes, field) for field in by}
    if worst:
        report["worst"] = slices.worst(outcomes, worst)
    return report


def differences(before: Outcomes, after: Outcomes) -> dict[str, dict[str, float]]:
    """after - before of every figure over the same queries: mean, low, high and p."""
    about = before.about[before.answerable]
    changes = {
        name: asdict(change) for name, change in statistics.differences(before.table, after.table, about).items()
    }
    if before.confidence is None or after.confidence is None:
        return changes
    old, new = figures.summary(before), figures.summary(after)
    samples = [
        statistics.bootstrap(figures.sampled(outcomes, confidence), before.about)
        for outcomes, confidence in ((before, before.confidence), (after, after.confidence))
    ]
    for i, name in enumerate(figures.SAMPLED):
        if name in old and name in new:
            change = statistics.bootstrap_difference(samples[0][:, i], samples[1][:, i], new[name] - old[name])
            changes[name] = asdict(change)
    return changes


def bundle_in(directory: Path) -> Bundle:
    """The bundle in `directory`, which may be a run's. Raises BundleError."""
    inside = directory / "bundle"
    return Bundle.load(inside if not (directory / MANIFEST).exists() and inside.is_dir() else directory)


@contextmanager
def base_bundle(base: str) -> Iterator[Bundle]:
    """The base model as a temporary bundle, in 32-bit floats. Raises InputError when it cannot be loaded."""
    from trainer.export import export
    from trainer.training import model

    with tempfile.TemporaryDirectory(prefix="faqtual-base-") as directory:
        loaded = model.load(base, "cpu")
        yield export.plain(loaded, Path(directory) / "bundle", base_model=base, recipe=BASE)


def show(report: dict[str, Any], console: Console | None = None) -> None:
    """Print the figures of each system in a column, their differences, the slices and the worst questions."""
    console = console or Console()
    systems: dict[str, Figures] = report["systems"]
    show_figures(console, systems, report.get("differences", {}), f"{report['protocol']}: ")
    name, last = list(systems.items())[-1]
    if last.get("worst"):
        console.print(_worst_table(last["worst"], name))


def show_figures(
    console: Console, systems: dict[str, Figures], changes: dict[str, dict[str, float]], title: str = ""
) -> None:
    """Print the main table, titled by `title` and the counts, and the tables of the slices."""
    first = next(iter(systems.values()))
    counts = ", ".join(f"{first[name]:,} {name.replace('_', ' ')}" for name in COUNTS if first.get(name))
    console.print(_headline_table(systems, changes, title + counts))
    if perfect := max(system.get("calibration_error_of_perfect", 0) for system in systems.values()):
        console.print(f"[dim]Exact confidences would have a calibration error below {perfect:.3f} at this size.[/dim]")
    for field in first.get("slices", {}):
        console.print(_slice_table({name: system["slices"][field] for name, system in systems.items()}, field))


def _headline_table(systems: dict[str, Figures], changes: dict[str, dict[str, float]], title: str) -> Table:
    """The main figures with their 95 % intervals and, of two systems, the differences."""
    table = Table(
        "", *systems, *(["difference", "p"] if len(systems) == 2 else []), title=title, caption="[95 % interval]"
    )
    for names in (HEADLINES, DECISIONS, CONFIDENCE):
        for name in names:
            values = [system[name] for system in systems.values() if name in system]
            if not values or _repeats_mrr(systems, name):
                continue
            cells = [_cell(system, name) for system in systems.values()]
            if name in changes:
                cells += _change_cells(changes[name])
            elif len(values) == 2:
                cells.append(f"{values[1] - values[0]:+.3f}")
            table.add_row(name, *cells)
        table.add_section()
    return table


def _change_cells(change: dict[str, float]) -> list[str]:
    """A difference with its interval, and its p; in bold where p is below CLEAR."""
    cells = [f"{change['mean']:+.3f} \\[{change['low']:+.3f}, {change['high']:+.3f}]", statistics.p_value(change["p"])]
    return [f"[bold]{cell}[/bold]" for cell in cells] if change["p"] < CLEAR else cells


def write_json(report: dict[str, Any], path: Path) -> None:
    """Write the report to `path` as JSON. Raises InputError when the file cannot be written."""
    try:
        path.write_text(json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "json") from error


def _repeats_mrr(systems: dict[str, Figures], name: str) -> bool:
    """Whether this row is average precision and equals MRR, as it does where each question has one right entry."""
    return name == "average_precision" and all(system.get(name) == system.get("mrr") for system in systems.values())


def _cell(system: Figures, name: str) -> str:
    if name not in system:
        return ""
    ends = system.get("intervals", {}).get(name)
    return f"{system[name]:.3f}" + (f" \\[{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def _slice_table(systems: dict[str, dict[str, Figures]], field: str) -> Table:
    """One row per slice and one column per figure; a cell has the values of all systems."""
    last = list(systems.values())[-1]
    names = [name for name in SLICE if any(name in figures for figures in last.values())]
    table = Table(
        field, "queries", *names, title=f"by {field}", caption=" -> ".join(systems) if len(systems) == 2 else None
    )
    for value, of_slice in list(last.items())[:SLICES]:
        each = [system[value] for system in systems.values()]
        cells = [" -> ".join(f"{system[name]:.3f}" for system in each if name in system) for name in names]
        if len(each) == 1 and "precision@1" in of_slice:
            cells[names.index("precision@1")] = _cell(of_slice, "precision@1")
        table.add_row(escape(value), f"{of_slice['queries']:,}", *cells)
    if len(last) > SLICES:
        table.add_row(f"… {len(last) - SLICES} more", "")
    return table


def _worst_table(worst: list[Figures], system: str) -> Table:
    table = Table("rank", "question", "right", "first instead", title=f"worst questions, {system}", show_lines=True)
    for row in worst:
        table.add_row(str(row["rank"]), *map(escape, (row["question"], row["right"]["text"], row["top"][0]["text"])))
    return table
