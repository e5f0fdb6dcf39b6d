"""The command `fit`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.errors import InputError
from app.ranking.unanswerable import LEAST_SHARE, MOST_SHARE
from trainer.cli.options import command_of
from trainer.recipes import Recipe, recipe_named


@dataclass(frozen=True)
class RunOptions:
    """What is trained, from which data, and where the run is kept."""

    data: Annotated[
        Path | None,
        typer.Option(
            help="Training data: a FAQ, labelled texts, scored pairs or generated queries, as the recipe needs."
        ),
    ] = None
    database: Annotated[
        str | None,
        typer.Option(
            help="In place of --data: the store to learn from, as an SQLAlchemy URL or a FAQ_HOME. Trains on its live "
            "entries, their negatives and feedback; golden questions are held out."
        ),
    ] = None
    queries: Annotated[
        Path | None, typer.Option(help="Labelled questions about the FAQ; `faq_id` is null where no entry answers.")
    ] = None
    generated: Annotated[Path | None, typer.Option(help="Directory of queries that `generate` made for this FAQ.")] = (
        None
    )
    recipe: Annotated[str, typer.Option(help="Name of the training recipe.")] = "default"
    base: Annotated[
        str | None, typer.Option(help="Base model: a packaged one, a directory, or a name on a model hub.")
    ] = None
    reranker: Annotated[bool, typer.Option(help="Also train a cross-encoder that reranks the best candidates.")] = False
    target_precision: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.99, help="Share of the given answers that should be right. Unset: 0.8."),
    ] = None
    unanswerable_share: Annotated[
        float | None,
        typer.Option(min=LEAST_SHARE, max=MOST_SHARE, help="Share of the questions that no entry answers. Unset: 0.2."),
    ] = None
    out: Annotated[Path | None, typer.Option(help="Directory of the run. Unset: a new one under ./runs.")] = None
    resume: Annotated[str | None, typer.Option(help="Resume the run with this name or directory.")] = None


@dataclass(frozen=True)
class RecipeOptions:
    """Fields of the recipe that are given in place of its own values. None, or False, leaves a field as it is."""

    epochs: Annotated[
        float | None,
        typer.Option(help="Training epochs. 0: export the base model unchanged. Unset: by the size of the data."),
    ] = None
    batch_size: Annotated[int | None, typer.Option(help="Pairs per batch; a larger batch has more negatives.")] = None
    learning_rate: Annotated[float | None, typer.Option("--lr", help="Peak learning rate.")] = None
    seed: Annotated[int | None, typer.Option(help="Random seed of the split, the batches and dropout.")] = None
    temperature: Annotated[float | None, typer.Option(help="Of the loss. Lower: the hardest negatives count more.")] = (
        None
    )
    hard_epochs: Annotated[
        float | None, typer.Option(help="Epochs of stage 2, with mined negatives. 0: no stage 2.")
    ] = None
    hard_learning_rate: Annotated[float | None, typer.Option("--hard-lr", help="Peak learning rate of stage 2.")] = None
    negatives: Annotated[int | None, typer.Option(help="Mined negatives per pair in stage 2.")] = None
    margin: Annotated[
        float | None, typer.Option(help="Highest similarity of a mined negative, as a share of the positive's.")
    ] = None
    patience: Annotated[
        int | None, typer.Option(help="End a stage after this many epochs without improvement. 0: never.")
    ] = None
    lora_rank: Annotated[int | None, typer.Option(help="Train only LoRA adapters of this rank.")] = None
    dimensions: Annotated[
        str | None,
        typer.Option("--matryoshka", help="Shorter embedding sizes to train as well, for example 256,128,64."),
    ] = None
    dimension: Annotated[int | None, typer.Option(help="Export only this many leading dimensions.")] = None
    loss: Annotated[
        str | None, typer.Option(help="Loss of the recipe groups: hard-triplets or semi-hard-triplets.")
    ] = None
    triplet_margin: Annotated[float | None, typer.Option(help="Margin of the triplet losses, in cosine distance.")] = (
        None
    )
    gradient_checkpointing: Annotated[bool, typer.Option(help="Use less memory; training takes a third longer.")] = (
        False
    )

    def changed(self, recipe: Recipe) -> Recipe:
        """The recipe with the given fields. Raises InputError for a field it does not have, or a senseless value."""
        given = asdict(self)
        given["dimensions"] = _dimensions(self.dimensions) if self.dimensions else None
        given["gradient_checkpointing"] = self.gradient_checkpointing or None
        return recipe.override(**given)


def _fit(options: RunOptions, changes: RecipeOptions) -> None:
    """Fine-tune on a FAQ, export, check and calibrate. Prints the run's directory as the last line."""
    from trainer import fit as fitting
    from trainer.training.model import DEFAULT_BASE

    if options.resume is not None:
        run = fitting.resume(options.resume)
    elif (options.data is None) == (options.database is None):
        raise typer.BadParameter("give one of both, unless --resume names a run", param_hint="--data, --database")
    else:
        run = fitting.start(
            options.data,
            options.queries,
            options.base or DEFAULT_BASE,
            changes.changed(recipe_named(options.recipe)),
            options.out,
            reranker=options.reranker,
            target_precision=options.target_precision,
            generated=options.generated,
            unanswerable_share=options.unanswerable_share,
            database=options.database,
        )
    typer.echo(run.directory)


def _dimensions(text: str) -> tuple[int, ...]:
    """Dimensions as the command line has them, `256,128`. Raises InputError for anything else."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"Dimensions must be whole numbers, separated by commas, not `{text}`.", "dimensions"
        ) from None


fit = command_of("fit", _fit, RunOptions, RecipeOptions)
