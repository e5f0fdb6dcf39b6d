"""What benchmarks.serving measured, as a table and as plots."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.serving.summary import ENCODER, SATURATED, distinct

Figures = dict[str, Any]

COLOURS = {"faqtual": "#0b6b5f", "before": "#8fb8b2", "plain": "#b4500b", "infinity": "#7a6bb0"}
COLUMNS = {
    "per_s": "a second",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "p99_ms": "p99 ms",
    "cpu_ms": "CPU ms each",
    "resident_mb": "MB resident",
    "own_mb": "MB of its own",
    "other": "other than 200",
}


def table(report: Figures, name: str) -> str:
    """The report as a page of Markdown. `name`: of the picture."""
    count = len(report["rounds"])
    lines = ["# Serving under load", "", f"![Throughput, latency, CPU and memory]({name}.png)", ""]
    if report["targets"]:
        lines += ["| target | measured | wanted | met |", "|---|---|---|---|"]
    for row in report["targets"]:
        lines.append(f"| {row['what']} | {row['measured']:g} | {row['target']} | {'yes' if row['met'] else '**no**'} |")
    lines += ["", f"Medians of {count} rounds (least to greatest):", ""]
    lines += [f"| system | load | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 2) + "|"]
    systems = {system: loads for system, loads in report["medians"].items() if system != ENCODER}
    for system, loads in systems.items():
        lines += [f"| {system} | {load} | {_cells(figures)} |" for load, figures in loads.items()]
    lines += [
        "",
        "CPU ms a question, by the threads of the service:",
        "",
        "| system | load | threads |",
        "|---|---|---|",
    ]
    for system, loads in systems.items():
        lines += [f"| {system} | {load} | {_threads(figures)} |" for load, figures in loads.items()]
    parts = ", ".join(
        f"{part.replace('_', ' ')} {_value(value)}" for part, value in report["medians"][ENCODER]["alone"].items()
    )
    lines += ["", f"Parts alone, in one thread: {parts}."]
    lines += ["", f"Load average of the machine over the last five minutes: {report['load_average']:.1f}."]
    return "\n".join(lines) + "\n"


def _cells(figures: Figures) -> str:
    return " | ".join(_value(figures[name]) if name in figures else "–" for name in COLUMNS)


def _threads(figures: Figures) -> str:
    spent = sorted(figures["threads_ms"].items(), key=lambda item: -item[1][0])
    return ", ".join(f"{name} {value[0]:.2f}" for name, value in spent if value[0] >= 0.01)


def _value(spread: list[float]) -> str:
    """The median, and the range where there is one."""
    middle, least, greatest = (f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in spread)
    return middle if least == greatest else f"{middle} ({least}–{greatest})"


def plot(report: Figures, path: Path) -> None:
    """Four plots: throughput and latency over the clients, CPU and memory when saturated."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    _lines(axes[0, 0], report, "per_s", "questions a second, all distinct")
    _lines(axes[0, 1], report, "p50_ms", "latency in ms: p50, and p99 dashed")
    _lines(axes[0, 1], report, "p99_ms", None)
    axes[0, 1].set_yscale("log")
    _bars(axes[1, 0], report, "cpu_ms", f"CPU ms a question, {SATURATED} clients")
    _bars(axes[1, 1], report, "resident_mb", "resident memory in MB")
    figure.savefig(path, dpi=110)


def _lines(axes: Axes, report: Figures, name: str, title: str | None) -> None:
    for system, colour in COLOURS.items():
        loads = report["medians"].get(system, {})
        points = [(clients, loads[distinct(clients)]) for clients in range(1, 1025) if distinct(clients) in loads]
        values = [figures[name][0] for _, figures in points]
        style = "--" if name == "p99_ms" else "-"
        axes.plot(
            [clients for clients, _ in points], values, style, color=colour, label=system if title and points else None
        )
    if title:
        axes.set_title(title, loc="left")
        axes.set_xlabel("clients")
        axes.legend()
    axes.grid(alpha=0.3)


def _bars(axes: Axes, report: Figures, name: str, title: str) -> None:
    systems = [system for system in COLOURS if distinct(SATURATED) in report["medians"].get(system, {})]
    bars = axes.bar(
        systems,
        [report["medians"][system][distinct(SATURATED)][name][0] for system in systems],
        color=[COLOURS[system] for system in systems],
    )
    axes.bar_label(bars)
    axes.set_title(title, loc="left")
