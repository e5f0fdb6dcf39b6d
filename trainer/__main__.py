"""The trainer's command line: `python -m trainer fit | generate | evaluate | compare | publish | runs`."""

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from app.errors import FaqError
from app.retrieval.unanswerable import LEAST_SHARE, MOST_SHARE
from trainer import runs as runs_
from trainer.recipes import dimensions_of, recipe_named
from trainer.reporting import watch

Protocol = Literal["answers", "tutorial"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
runs = typer.Typer(invoke_without_command=True, help="List runs, or look at one.")
app.add_typer(runs, name="runs")


@app.command()
def fit(
    data: Annotated[
        Path | None, typer.Option(help="A FAQ, labelled texts, scored pairs or generated queries, as the recipe reads.")
    ] = None,
    queries: Annotated[Path | None, typer.Option(help="Labelled questions, `faq_id: null` among them.")] = None,
    recipe: Annotated[str, typer.Option(help="A named way to train.")] = "default",
    base: Annotated[str | None, typer.Option(help="Base model: a name, a directory, or a hub's name.")] = None,
    epochs: Annotated[float | None, typer.Option(help="0: the base model, exported as it is. Unset: by size.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pairs in a batch; more means more negatives.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the split, the batches and the dropout.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Lower: the hardest negatives count more.")] = None,
    hard_epochs: Annotated[float | None, typer.Option(help="Of stage 2, with mined negatives. 0: no stage 2.")] = None,
    hard_lr: Annotated[float | None, typer.Option(help="Peak learning rate of stage 2.")] = None,
    negatives: Annotated[int | None, typer.Option(help="Mined for each pair in stage 2.")] = None,
    margin: Annotated[float | None, typer.Option(help="Most similar a negative may be, the positive being 1.")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without a better one that end a stage; 0: none.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Train adapters of that rank alone.")] = None,
    matryoshka: Annotated[str | None, typer.Option(help="Leading dimensions to train too, as in 256,128,64.")] = None,
    dimension: Annotated[int | None, typer.Option(help="Export that many leading dimensions alone.")] = None,
    loss: Annotated[str | None, typer.Option(help="ranking, hard-triplets or semi-hard-triplets.")] = None,
    triplet_margin: Annotated[float | None, typer.Option(help="By how much triplets are to differ, in cosine.")] = None,
    gradient_checkpointing: Annotated[bool, typer.Option(help="Less memory for a third more work.")] = False,
    generated: Annotated[Path | None, typer.Option(help="Queries that `generate` made for that FAQ.")] = None,
    reranker: Annotated[bool, typer.Option(help="Train a cross-encoder for the best candidates too.")] = False,
    target_precision: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.99, help="The share of the answers given that should be right. Unset: 0.8."),
    ] = None,
    unanswerable_share: Annotated[
        float | None,
        typer.Option(
            min=LEAST_SHARE, max=MOST_SHARE, help="The share of the questions that nothing answers. Unset: 0.2."
        ),
    ] = None,
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
        changed = recipe_named(recipe).override(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=lr,
            seed=seed,
            temperature=temperature,
            hard_epochs=hard_epochs,
            hard_learning_rate=hard_lr,
            negatives=negatives,
            margin=margin,
            patience=patience,
            lora_rank=lora_rank,
            dimensions=dimensions_of(matryoshka) if matryoshka else None,
            dimension=dimension,
            loss=loss,
            triplet_margin=triplet_margin,
            gradient_checkpointing=gradient_checkpointing or None,
        )
        run = fitting.start(
            data,
            queries,
            base or DEFAULT_BASE,
            changed,
            out,
            reranker,
            target_precision,
            generated,
            unanswerable_share,
        )
    typer.echo(run.directory)


@app.command()
def generate(
    model: Annotated[str, typer.Option(help="What asks: a sequence-to-sequence model, or a URL.")],
    passages: Annotated[Path, typer.Option(help="FAQ, CSV, text, Markdown, HTML, or a directory of them.")],
    out: Annotated[Path, typer.Option(help="Where the TSV parts go; the same again carries on.")],
    endpoint: Annotated[str | None, typer.Option(help="An OpenAI-compatible URL; --model is its model's name.")] = None,
    queries_per_passage: Annotated[int, typer.Option(help="Sampled for each passage.")] = 3,
    top_p: Annotated[float, typer.Option(help="Draw from the words that make up this probability.")] = 0.95,
    top_k: Annotated[int, typer.Option(help="Of them the likeliest so many; 0: all.")] = 50,
    temperature: Annotated[float, typer.Option(help="Below 1: likelier words more often.")] = 1.0,
    round_trip: Annotated[int, typer.Option(help="Keep what finds its passage at this rank. 0: keep all.")] = 0,
    encoder: Annotated[str | None, typer.Option(help="The bi-encoder of the round trip; unset: the base.")] = None,
    length: Annotated[int | None, typer.Option(min=1, help="Most characters of a passage.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
) -> None:
    """Make queries for passages that nobody has asked about. The last line printed is the directory."""
    from trainer.generation import generate as generating
    from trainer.generation import passages as reading
    from trainer.generation.sampling import Sampling
    from trainer.model import DEFAULT_BASE

    sampling = Sampling(queries_per_passage, top_p, top_k, temperature, seed)
    request = generating.Request(model, endpoint, sampling, round_trip, encoder or DEFAULT_BASE)
    request.check()
    generating.generate(reading.read(passages, length or reading.LENGTH), request, out)
    typer.echo(out)


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Option(help="The bundle's directory, or a run's.")],
    queries: Annotated[
        list[Path], typer.Option(help="Questions, each with `faq_id`, `answer` or `label`; repeatable.")
    ],
    index: Annotated[Path, typer.Option(help="The FAQ whose entries are searched.")],
    protocol: Annotated[Protocol, typer.Option(help="What is searched for what; see docs/evaluation.md.")] = "answers",
    json_: Annotated[Path | None, typer.Option("--json", help="Write all figures there too.")] = None,
    compare: Annotated[bool, typer.Option("--base/--no-base", help="Measure the base model beside it.")] = True,
    by: Annotated[list[str] | None, typer.Option(help="Slice by a tag of the queries or a field of the FAQ.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="List so many of the questions that went most wrong.")] = 0,
) -> None:
    """Measure a bundle, side by side with the base model that it was made from."""
    from trainer.evaluation import tables as report

    found = report.side_by_side(bundle, queries, index, protocol, compare, by or (), worst)
    if json_ is not None:
        report.write_json(found, json_)
    report.show(found)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="Before: a bundle's directory, a run's, or a run's name.")],
    b: Annotated[str, typer.Argument(help="After: likewise.")],
    queries: Annotated[
        list[Path], typer.Option(help="Questions, each with `faq_id`, `answer` or `label`; repeatable.")
    ],
    index: Annotated[Path, typer.Option(help="The FAQ whose entries are searched.")],
    by: Annotated[list[str] | None, typer.Option(help="Slice by a tag of the queries or a field of the FAQ.")] = None,
    top: Annotated[int, typer.Option(min=0, help="How many questions to show that got better, and worse.")] = 10,
    json_: Annotated[Path | None, typer.Option("--json", help="Write all figures and every question there.")] = None,
) -> None:
    """Two bundles or runs on the same questions: which got better, which worse, and whether that may be chance."""
    from trainer.evaluation import compare as comparing
    from trainer.evaluation import tables as report

    found = comparing.compare(a, b, queries, index, by or ())
    if json_ is not None:
        report.write_json(found, json_)
    comparing.show(found, top)


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
    Console().print(watch.table(runs_.all_runs()))


@runs.command()
def status(
    run: Annotated[str, typer.Argument(help="Its name or directory.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="One line that keeps up, until it ends.")] = False,
) -> None:
    """How far a run is, as JSON."""
    found = runs_.Run.find(run)
    if follow:
        watch.follow_status(found, Console())
    else:
        typer.echo(found.status().model_dump_json(indent=2))


@runs.command()
def logs(
    run: Annotated[str, typer.Argument(help="Its name or directory.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep on until the run has ended.")] = False,
) -> None:
    """What a run has logged."""
    found = runs_.Run.find(run)
    if follow:
        watch.follow_log(found, Console())
    else:
        typer.echo("".join(found.follow()), nl=False)


@runs.command()
def report(
    run: Annotated[str, typer.Argument(help="Its name or directory.")],
    measure: Annotated[bool, typer.Option("--measure", help="Ask the held-out questions again first.")] = False,
) -> None:
    """Write a run's report.html, plots and model card again, from its files."""
    from trainer.reporting import page

    if measure:
        from trainer import fit as fitting

        fitting.measure_again(run)
    typer.echo(page.write(runs_.Run.find(run)))


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
