"""The command `runs` and its subcommands."""

from typing import Annotated

import typer
from rich.console import Console

from trainer.reports import watch
from trainer.runs import Run, all_runs

cli = typer.Typer(invoke_without_command=True, help="List the runs, or show one.")


@cli.callback()
def runs_default(context: typer.Context) -> None:
    """List the runs if no subcommand is given."""
    if context.invoked_subcommand is None:
        list_runs()


@cli.command("list")
def list_runs() -> None:
    """List every run under ./runs, oldest first."""
    Console().print(watch.table(all_runs()))


@cli.command()
def status(
    run: Annotated[str, typer.Argument(help="Name or directory of the run.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show the progress on one line until the run ends.")
    ] = False,
) -> None:
    """Show the progress of a run, as JSON."""
    if follow:
        watch.follow(Run.find(run), Console())
    else:
        typer.echo(Run.find(run).status().model_dump_json(indent=2))


@cli.command()
def logs(
    run: Annotated[str, typer.Argument(help="Name or directory of the run.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until the run ends.")] = False,
) -> None:
    """Print the log of a run."""
    if follow:
        watch.follow(Run.find(run), Console(), with_log=True)
    else:
        typer.echo("".join(Run.find(run).follow()), nl=False)


@cli.command()
def report(
    run: Annotated[str, typer.Argument(help="Name or directory of the run.")],
    measure: Annotated[bool, typer.Option("--measure", help="Measure the held-out questions again first.")] = False,
) -> None:
    """Write report.html, the plots and the model card of a run from its files."""
    from trainer.reports import page

    if measure:
        from trainer import fit as fitting

        fitting.measure_again(run)
    typer.echo(page.write(Run.find(run)))
