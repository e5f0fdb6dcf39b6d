"""The command `fit`."""

from pathlib import Path
from typing import Annotated

import typer

from trainer.recipes import dimensions_of, recipe_named


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
    loss: Annotated[str | None, typer.Option(help="hard-triplets or semi-hard-triplets, of the recipe groups.")] = None,
    triplet_margin: Annotated[float | None, typer.Option(help="By how much triplets are to differ, in cosine.")] = None,
    gradient_checkpointing: Annotated[bool, typer.Option(help="Less memory for a third more work.")] = False,
    generated: Annotated[Path | None, typer.Option(help="Queries that `generate` made for that FAQ.")] = None,
    reranker: Annotated[bool, typer.Option(help="Train a cross-encoder for the best candidates too.")] = False,
    target_precision: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.99, help="The share of the answers given that should be right. Unset: 0.905."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's directory; unset: a new one under ./runs.")] = None,
    resume: Annotated[str | None, typer.Option(help="A run, by name or directory, to carry on with.")] = None,
) -> None:
    """Fine-tune on a FAQ, export, check and calibrate. The last line printed is the run's directory."""
    from trainer import fit as fitting
    from trainer.training.model import DEFAULT_BASE

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
        run = fitting.start(data, queries, base or DEFAULT_BASE, changed, out, reranker, target_precision, generated)
    typer.echo(run.directory)
