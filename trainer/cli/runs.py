"""The command `runs` and what is under it."""

from typing import Annotated

import typer
from rich.console import Console

from trainer.reports import watch
from trainer.runs import Run, all_runs

cli = typer.Typer(invoke_without_command=True, help="List runs, or look at one.")


@cli.callback()
def runs_default(context: typer.Context) -> None:
    """List the runs, unless another command is given."""
    if context.invoked_subcommand is None:
        list_runs()


@cli.command("list")
def list_runs() -> None:
    """Every run under ./runs, oldest first."""
    Console().print(watch.table(all_runs()))


@cli.command()
def status(
    run: Annotated[str, typer.Argument(help="Its name or directory.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="One line that keeps up, until it ends.")] = False,
) -> None:
    """How far a run is, as JSON."""
    found = Run.find(run)
    if follow:
        watch.follow_status(found, Console())
    else:
        typer.echo(found.status().model_dump_json(indent=2))


@cli.command()
def logs(
    run: Annotated[str, typer.Argument(help="Its name or directory.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep on until the run has ended.")] = False,
) -> None:
    """What a run has logged."""
    found = Run.find(run)
    if follow:
        watch.follow_log(found, Console())
    else:
        typer.echo("".join(found.follow()), nl=False)


@cli.command()
def report(
    run: Annotated[str, typer.Argument(help="Its name or directory.")],
    measure: Annotated[bool, typer.Option("--measure", help="Ask the held-out questions again first.")] = False,
) -> None:
    """Write a run's report.html, plots and model card again, from its files."""
    from trainer.reports import page

    if measure:
        from trainer import fit as fitting

        fitting.measure_again(run)
    typer.echo(page.write(Run.find(run)))
