"""What benchmarks.serving measured, as a table and as plots."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Figures = dict[str, Any]

COLOURS = {"faqtual": "#0b6b5f", "plain": "#b4500b", "infinity": "#7a6bb0"}
COLUMNS = {"per_s": "a second", "p50_ms": "p50 ms", "p95_ms": "p95 ms", "p99_ms": "p99 ms", "cpu_ms": "CPU ms each"}


def table(report: Figures) -> str:
    """The report as a page of Markdown."""
    lines = ["# Serving under load", "", "![Throughput, latency, CPU and memory](serving.png)", ""]
    lines += ["| target | measured | wanted | met |", "|---|---|---|---|"]
    for one in report["targets"]:
        lines.append(f"| {one['what']} | {one['measured']:g} | {one['target']} | {'yes' if one['met'] else '**no**'} |")
    lines += ["", f"| system | load | {' | '.join(COLUMNS.values())} | memory MB | other than 200 |"]
    lines.append("|---" * (len(COLUMNS) + 4) + "|")
    for system, levels in report["distinct"].items():
        lines += [_row(system, f"all distinct, {clients} clients", found) for clients, found in levels.items()]
    lines += [_row(system, "Zipf, 64 clients", found) for system, found in report["zipf"].items()]
    lines.append(_row("faqtual", "half of saturation, open loop", report["half_of_saturation"]))
    lines.append(_row("faqtual", "the same during a reindex", report["during_reindex"]))
    rounds = "; ".join(
        f"{name} {', '.join(f'{rate:g}' for rate in rates)}" for name, rates in report["saturated_rounds"].items()
    )
    parts = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in report["ceiling"].items())
    lines += ["", f"Saturated, all distinct, in rounds (a second): {rounds}.", "", f"Parts alone: {parts}."]
    if "load_average" in report:
        lines += ["", f"Load average of the machine over the last five minutes: {report['load_average']:.1f}."]
    return "\n".join(lines) + "\n"


def _row(system: str, what: str, found: Figures) -> str:
    other = sum(count for status, count in found["statuses"].items() if status != "200")
    cells = " | ".join("–" if found[name] is None else f"{found[name]:g}" for name in COLUMNS)
    return f"| {system} | {what} | {cells} | {found['resident_mb']} | {other} |"


def plot(report: Figures, path: Path) -> None:
    """Four plots: throughput and latency over the clients, CPU and memory when saturated."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    _lines(axes[0, 0], report, "per_s", "questions a second, all distinct")
    _lines(axes[0, 1], report, "p50_ms", "latency in ms: p50, and p99 dashed")
    _lines(axes[0, 1], report, "p99_ms", None)
    axes[0, 1].set_yscale("log")
    _bars(axes[1, 0], report, "cpu_ms", "CPU ms a question, 64 clients")
    _bars(axes[1, 1], report, "resident_mb", "resident memory in MB")
    figure.savefig(path, dpi=110)


def _lines(axes: Axes, report: Figures, name: str, title: str | None) -> None:
    for system, levels in report["distinct"].items():
        values = [found[name] or float("nan") for found in levels.values()]
        style = "--" if name == "p99_ms" else "-"
        axes.plot(list(levels), values, style, color=COLOURS[system], label=system if title else None)
    if title:
        axes.set_title(title, loc="left")
        axes.set_xlabel("clients")
        axes.legend()
    axes.grid(alpha=0.3)


def _bars(axes: Axes, report: Figures, name: str, title: str) -> None:
    values = {system: levels["64"][name] for system, levels in report["distinct"].items()}
    bars = axes.bar(list(values), list(values.values()), color=[COLOURS[system] for system in values])
    axes.bar_label(bars)
    axes.set_title(title, loc="left")
