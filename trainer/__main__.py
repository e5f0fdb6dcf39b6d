"""The trainer's command line: `python -m trainer fit | evaluate | publish | runs`."""

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from app.errors import FaqError
from trainer import runs as runs_
from trainer.recipes import recipe_named

Protocol = Literal["answers", "tutorial"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
runs = typer.Typer(invoke_without_command=True, help="List runs, or look at one.")
app.add_typer(runs, name="runs")


@app.command()
def fit(
    data: Annotated[Path | None, typer.Option(help="The FAQ: JSON lines, JSON or CSV.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Labelled questions, `faq_id: null` among them.")] = None,
    recipe: Annotated[str, typer.Option(help="A named way to train.")] = "default",
    base: Annotated[str | None, typer.Option(help="Base model: a name, a directory, or a hub's name.")] = None,
    epochs: Annotated[float | None, typer.Option(help="0: the base model, exported as it is. Unset: by size.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pairs in a batch; more means more negatives.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the split, the batches and the dropout.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's directory; unset: a new one under ./runs.")] = None,
    resume: Annotated[str | None, typer.Option(help="A run, by name or directory, to carry on with.")] = None,
) -> None:
    """Fine-tune on a FAQ, export, check and calibrate. The last line printed is the run's directory."""
    from trainer import fit as fitting
    from trainer.model import DEFAULT_BASE

    if resume is not None:
        run = fitting.resume(resume)
    elif data is None:
        raise typer.BadParameter("needed, unless --resume names a run", param_hint="--data")
    else:
        changed = recipe_named(recipe).override(epochs=epochs, batch_size=batch_size, learning_rate=lr, seed=seed)
        run = fitting.start(data, queries, base or DEFAULT_BASE, changed, out)
    typer.echo(run.directory)


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Option(help="The bundle's directory, or a run's.")],
    queries: Annotated[Path, typer.Option(help="Questions, each with `faq_id`, `answer` or `label`.")],
    index: Annotated[Path, typer.Option(help="The FAQ whose entries are searched.")],
    protocol: Annotated[Protocol, typer.Option(help="What is searched for what; see trainer/evaluate.py.")] = "answers",
    json_: Annotated[Path | None, typer.Option("--json", help="Write the figures there too.")] = None,
    compare: Annotated[bool, typer.Option("--base/--no-base", help="Measure the base model beside it.")] = True,
) -> None:
    """Measure a bundle, side by side with the base model that it was made from."""
    from trainer import report

    found = report.side_by_side(bundle, queries, index, protocol, compare)
    if json_ is not None:
        report.write_json(found, json_)
    report.show(found)


@app.command()
def publish(
    bundle: Annotated[Path, typer.Option(help="The bundle's directory, or a run's.")],
) -> None:
    """Install a bundle in FAQ_HOME, embed the store's entries with it, verify, and switch to the new release."""
    from trainer import publish as publishing

    typer.echo(publishing.publish(bundle))


@runs.callback()
def runs_default(context: typer.Context) -> None:
    """List the runs, unless another command is given."""
    if context.invoked_subcommand is None:
        list_runs()


@runs.command("list")
def list_runs() -> None:
    """Every run under ./runs, oldest first."""
    table = Table("run", "state", "phase", "step", "began", box=None)
    for run in runs_.all_runs():
        status = run.status()
        table.add_row(run.name, status.state, status.phase, f"{status.step}/{status.steps}", status.created_at)
    Console().print(table)


@runs.command()
def status(run: Annotated[str, typer.Argument(help="Its name or directory.")]) -> None:
    """How far a run is, as JSON."""
    typer.echo(runs_.Run.find(run).status().model_dump_json(indent=2))


@runs.command()
def logs(
    run: Annotated[str, typer.Argument(help="Its name or directory.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep on until the run has ended.")] = False,
) -> None:
    """What a run has logged."""
    for line in runs_.Run.find(run).follow(follow):
        typer.echo(line, nl=False)


def main() -> None:
    """Run the command line; what is raised on purpose becomes one line and exit code 2 (130: interrupted)."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("trainer")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        app()
    except FaqError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        sys.exit(130 if error.code == "interrupted" else 2)


if __name__ == "__main__":
    main()
