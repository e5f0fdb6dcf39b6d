"""One run from a FAQ to a bundle: read, split, train, export, check, calibrate, measure."""

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from app import durable
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import read_queries
from app.ranking.defaults import PRECISION
from app.ranking.unanswerable import DEFAULT_SHARE
from trainer import runs
from trainer.data import generated as trainingset
from trainer.data.learned import FOLDER, Learned, learned
from trainer.data.reading import read_source
from trainer.data.scored import scored_set
from trainer.data.training_set import TrainingSet, renamed, training_set
from trainer.evaluation.averaging import keep_best, weights_of
from trainer.evaluation.validation import Validation
from trainer.export.export import export
from trainer.export.exportable import refuse_unexportable
from trainer.recipes import Recipe
from trainer.reports import page, results
from trainer.reranking.training import fitted
from trainer.runs import Run
from trainer.training import distributed, model
from trainer.training.loop import train
from trainer.training.recording import logging_to, status_kept
from trainer.training.towers import as_two_towers

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Inputs:
    """The input of a run: the entries and the training set."""

    entries: list[Entry]
    training: TrainingSet


def start(
    data: Path | None,
    queries: Path | None,
    base: str,
    recipe: Recipe,
    out: Path | None,
    reranker: bool = False,
    target_precision: float | None = None,
    generated: Path | None = None,
    unanswerable_share: float | None = None,
    database: str | None = None,
) -> Run:
    """Create a run, carry it out and return it. Raises FileError before the run is created, InputError, Interrupted.

    `database`: the store to learn from (`trainer.data.learned`), in place of `data`.
    """
    store = learned(database) if database else None
    inputs = inputs_of(store, recipe) if store else read(_needed(data), queries, recipe, generated)
    config = {
        "data": str(data.absolute()) if data else None,
        "learned": store.counts() if store else None,
        "queries": str(queries.absolute()) if queries else None,
        "generated": str(generated.absolute()) if generated else None,
        "base": base,
        "recipe": asdict(recipe),
        "reranker": reranker,
        "target_precision": target_precision or PRECISION,
        "unanswerable_share": unanswerable_share or DEFAULT_SHARE,
        "training_data_sha256": inputs.training.sha256,
    }
    run = distributed.led(lambda: _created(config, out, store))
    carry_out(run, inputs, base, recipe)
    return run


def resume(name: str) -> Run:
    """Continue a run and return it; a succeeded run is left as it is. Raises InputError if its data has changed."""
    run = Run.find(name)
    if run.status().state == "succeeded":
        return run
    inputs = _inputs_of(run)
    run = distributed.led(lambda: _begun(run))
    carry_out(run, inputs, run.config["base"], Recipe.of(run.config["recipe"]))
    return run


def inputs_of(store: Learned, recipe: Recipe) -> Inputs:
    """The split of what a store has learned. Raises InputError for a recipe that trains on other data."""
    if "faq" not in recipe.data_format:
        raise InputError(f"The recipe {recipe.name} does not train on a FAQ. Choose another one.", "recipe")
    split = training_set(store.entries, store.labelled, recipe.seed, store.heldout, store.negatives)
    return Inputs(store.entries, split)


def _needed(data: Path | None) -> Path:
    if data is None:
        raise InputError("There is nothing to train on: name a file (`--data`) or a store (`--database`).", "data")
    return data


def _created(config: dict[str, Any], out: Path | None, store: Learned | None) -> Run:
    run = Run.create(config, out)
    if store:
        store.write(run.directory)
    return run


def read(data: Path, queries: Path | None, recipe: Recipe, generated: Path | None = None) -> Inputs:
    """Read and split the data. Raises FileError with every bad row of a file, InputError.

    A directory, or a TSV file, holds generated queries (`trainer.generation`); so does `generated`, for those entries.
    """
    if generated is None and (data.is_dir() or data.suffix == ".tsv"):
        return Inputs(*trainingset.read(data, None, read_queries(queries) if queries else (), recipe.seed))
    source = read_source(data, recipe)
    real_queries = renamed(read_queries(queries), source.aliases) if queries else []
    if generated is not None:
        return Inputs(*trainingset.read(generated, source.entries, real_queries, recipe.seed))
    if source.pairs:
        return Inputs(source.entries, scored_set(source.entries, source.pairs, real_queries, recipe.seed))
    return Inputs(source.entries, training_set(source.entries, real_queries, recipe.seed))


def carry_out(run: Run, inputs: Inputs, base: str, recipe: Recipe) -> None:
    """Do the remaining phases of a run and keep its status up to date, also when one fails."""
    if not distributed.leads():
        _model(run, inputs, base, recipe)
        return
    with logging_to(run), status_kept(run):
        trained = _model(run, inputs, base, recipe)
        wanted = trained.tuned and run.config.get("reranker", False)
        crossencoder = fitted(run, trained.model, base, inputs.entries, inputs.training, recipe) if wanted else None
        run.update(phase="exporting")
        export(
            trained.model,
            run.bundle,
            entries=inputs.entries,
            heldout=inputs.training.heldout,
            crossencoder=crossencoder,
            target_precision=run.config.get("target_precision", PRECISION),
            unanswerable_share=run.config.get("unanswerable_share", DEFAULT_SHARE),
            training_data_sha256=inputs.training.sha256 if trained.tuned else None,
            base_model=base,
            recipe=recipe.name if trained.tuned else "base",
        )
        shutil.rmtree(run.directory / runs.CHECKPOINTS, ignore_errors=True)
        run.update(phase="reporting")
        _report(run, inputs, base)


def _begun(run: Run) -> Run:
    run.begin()
    return run


def measure_again(name: str) -> Run:
    """Measure both models of a run again, for its report. Raises InputError if its data has changed."""
    run = Run.find(name)
    inputs = _inputs_of(run)
    results.measure(run, inputs.entries, inputs.training, run.config["base"])
    return run


def _inputs_of(run: Run) -> Inputs:
    """The input that the run was started with. Raises InputError if it has changed."""
    config = run.config
    if config.get("learned"):
        return _unchanged(run, inputs_of(Learned.read(run.directory), Recipe.of(config["recipe"])))
    queries = Path(config["queries"]) if config["queries"] else None
    generated = Path(config["generated"]) if config.get("generated") else None
    inputs = read(Path(config["data"]), queries, Recipe.of(config["recipe"]), generated)
    return _unchanged(run, inputs)


def _unchanged(run: Run, inputs: Inputs) -> Inputs:
    """The inputs. Raises InputError unless they are those that the run began with."""
    config = run.config
    if inputs.training.sha256 != config["training_data_sha256"]:
        source = config["data"] or f"{run.directory}/{FOLDER}"
        raise InputError(f"{source} has changed since {run.directory} began; start a new run.", "resume")
    return inputs


def _report(run: Run, inputs: Inputs, base: str) -> None:
    """Write the report. A failure is logged and does not fail the run, whose bundle is complete without a report."""
    try:
        results.measure(run, inputs.entries, inputs.training, base)
        log.info("Report: %s", page.write(run))
    except Exception:
        log.exception("There is no report; `trainer runs report --measure %s` tries again.", run.directory)


@dataclass(frozen=True)
class _Trained:
    model: SentenceTransformer
    tuned: bool


def _model(run: Run, inputs: Inputs, base: str, recipe: Recipe) -> _Trained:
    """The model to export: the one that the run has trained, or trains now, or the base model."""
    finished, training = run.directory / runs.MODEL, inputs.training
    if finished.is_dir():
        return _Trained(model.load(str(finished)), True)
    loaded = model.load(base)
    refuse_unexportable(loaded)
    if recipe.epochs == 0:
        log.info("No epochs were asked for: the base model is exported as it is, calibrated on what is held out.")
        return _Trained(loaded, False)
    if training.too_small:
        log.warning(training.too_small)
        return _Trained(loaded, False)
    log.info(
        "%d pairs of %d entries to train on, %d questions held out",
        len(training.pairs), training.groups, len(training.heldout),
    )  # fmt: skip
    if recipe.trainable == "towers":
        loaded = as_two_towers(loaded)
    base_weights = weights_of(loaded)
    train(loaded, training, recipe, run, Validation.of(inputs.entries, training.heldout, recipe.bf16))
    if not distributed.leads():
        return _Trained(loaded, True)
    run.update(phase="choosing weights")
    if shipped := keep_best(loaded, base_weights, recipe, inputs.entries, training.heldout):
        durable.write(run.directory / runs.SHIPPED, json.dumps(shipped.values(), indent=2) + "\n")
    scratch = run.directory / f".{runs.MODEL}"
    shutil.rmtree(scratch, ignore_errors=True)
    loaded.save_pretrained(str(scratch), create_model_card=False)
    durable.move(scratch, finished)
    return _Trained(loaded, True)
