"""The terminal output of `runs`: a table of all runs, and the progress and the log of one."""

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.errors import InputError
from trainer.runs import Run, Status, duration

_STYLES = {"running": "cyan", "succeeded": "green", "failed": "red", "killed": "red", "interrupted": "yellow"}


def table(runs: list[Run]) -> Table:
    """One row per run; a run whose status cannot be read is marked `unreadable`."""
    rows = Table("run", "state", "phase", "step", "left", "began", box=None)
    for run in runs:
        try:
            status = run.status()
        except InputError:
            rows.add_row(Text(run.name), Text("unreadable", "red"), "", "", "", "")
            continue
        state, step = Text(status.state, _STYLES[status.state]), f"{status.step:,}/{status.steps:,}"
        rows.add_row(Text(run.name), state, status.phase, step, _left(status), status.created_at)
    return rows


def line(run: Run, status: Status) -> Text:
    """The progress of a run on one line."""
    parts = [status.phase]
    if status.steps:
        parts.append(f"step {status.step:,} of {status.steps:,}, epoch {status.epoch:.1f}")
    if left := _left(status):
        parts.append(f"{left} left")
    if status.reason and status.state != "running":
        parts.append(status.reason)
    details = ", ".join(part for part in parts if part)
    return Text.assemble(
        (run.name, "bold"), " ", (status.state, _STYLES[status.state]), f": {details}" if details else ""
    )


def follow(run: Run, console: Console, with_log: bool = False) -> None:
    """Show the progress of a run on one line until it ends; `with_log` prints its log above.

    Where the console is no terminal, `with_log` prints the log alone.
    """
    if with_log and not console.is_terminal:
        for text in run.follow(keep_on=True):
            console.out(text, end="", highlight=False)
        return
    with Live(line(run, run.status()), console=console, auto_refresh=False) as live:
        for text in run.follow(keep_on=True):
            if with_log and text:
                console.out(text, end="", highlight=False)
            live.update(line(run, run.status()), refresh=True)
        live.update(line(run, run.status()), refresh=True)
    if run.status().resumable:
        console.print(f"Resume it with: python -m trainer fit --resume {run.directory}", markup=False, highlight=False)


def _left(status: Status) -> str:
    return "" if status.eta_seconds is None or status.state != "running" else duration(status.eta_seconds)
