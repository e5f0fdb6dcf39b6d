"""One run from a FAQ to a bundle: read, split, train, export, check, calibrate, measure."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sentence_transformers import SentenceTransformer

from app.errors import FaqError, InputError
from app.knowledge.entry import Entry
from app.knowledge.files import read_entries
from app.knowledge.queries import read_queries
from trainer import model, runs
from trainer.data import TrainingSet, renamed, training_set
from trainer.export import export
from trainer.recipes import Recipe
from trainer.runs import Run
from trainer.training import Interrupted, train

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Inputs:
    """What a run works on."""

    entries: list[Entry]
    training: TrainingSet


def start(data: Path, queries: Path | None, base: str, recipe: Recipe, out: Path | None) -> Run:
    """A new run, carried out. Raises FileError before anything starts, InputError, Interrupted."""
    inputs = read(data, queries, recipe.seed)
    config = {
        "data": str(data.absolute()),
        "queries": str(queries.absolute()) if queries else None,
        "base": base,
        "recipe": asdict(recipe),
        "training_data_sha256": inputs.training.sha256,
    }
    run = Run.create(config, out)
    carry_out(run, inputs, base, recipe)
    return run


def resume(name: str) -> Run:
    """Carry on with a run; one that has succeeded is left as it is. Raises InputError when its data has changed."""
    run = Run.find(name)
    if run.status().state == "succeeded":
        return run
    config = run.config
    recipe = Recipe(**config["recipe"])
    queries = Path(config["queries"]) if config["queries"] else None
    inputs = read(Path(config["data"]), queries, recipe.seed)
    if inputs.training.sha256 != config["training_data_sha256"]:
        raise InputError(f"{config['data']} has changed since {run.directory} began; start a new run.", "resume")
    run.begin()
    carry_out(run, inputs, config["base"], recipe)
    return run


def read(data: Path, queries: Path | None, seed: int) -> Inputs:
    """Read and split. Every bad row of either file is reported before anything starts."""
    file = read_entries(data)
    for warning in file.warnings:
        log.warning("%s: %s", file.name, warning)
    if file.merged_rows:
        log.info("%s: %d rows repeat others and were merged", file.name, file.merged_rows)
    asked = renamed(read_queries(queries), file.aliases) if queries else []
    return Inputs(file.entries, training_set(file.entries, asked, seed))


def carry_out(run: Run, inputs: Inputs, base: str, recipe: Recipe) -> None:
    """Do all that is left to do of a run, and keep its status true whatever happens."""
    with _logging(run), _status(run):
        trained = _model(run, inputs.training, base, recipe)
        run.update(phase="exporting")
        export(
            trained.model,
            run.bundle,
            entries=inputs.entries,
            heldout=inputs.training.heldout,
            tuned=trained.tuned,
            training_data_sha256=inputs.training.sha256 if trained.tuned else None,
            base_model=base,
            recipe=recipe.name if trained.tuned else "base",
        )
        shutil.rmtree(run.directory / runs.CHECKPOINTS, ignore_errors=True)


@dataclass(frozen=True)
class _Trained:
    model: SentenceTransformer
    tuned: bool


def _model(run: Run, training: TrainingSet, base: str, recipe: Recipe) -> _Trained:
    """The model to export: the one that the run has trained already, or trains now, or the base model itself."""
    finished = run.directory / runs.MODEL
    if finished.is_dir():
        return _Trained(model.load(str(finished)), True)
    loaded = model.load(base)
    if recipe.epochs == 0:
        log.info("No epochs were asked for: the base model is exported as it is, calibrated by defaults.")
        return _Trained(loaded, False)
    if training.too_small:
        log.warning(training.too_small)
        return _Trained(loaded, False)
    log.info(
        "%d pairs of %d entries to train on, %d questions held out",
        len(training.pairs), training.groups, len(training.heldout),
    )  # fmt: skip
    train(loaded, training, recipe, run)
    aside = run.directory / f".{runs.MODEL}"
    shutil.rmtree(aside, ignore_errors=True)
    loaded.save_pretrained(str(aside), create_model_card=False)
    aside.replace(finished)
    return _Trained(loaded, True)


@contextmanager
def _status(run: Run) -> Iterator[None]:
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        run.update(state="interrupted", reason=str(error) or "interrupted")
        raise
    except BaseException as error:
        run.update(state="failed", reason=f"{type(error).__name__}: {error}")
        if not isinstance(error, FaqError):
            log.exception("The run failed; its state is kept in %s.", run.directory)
        raise
    run.update(state="succeeded", phase="done", reason=None)


@contextmanager
def _logging(run: Run) -> Iterator[None]:
    """What is logged, and what libraries warn of, goes to the run's log too."""
    handler = logging.FileHandler(run.directory / runs.LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("trainer", "py.warnings", "sentence_transformers", "transformers")]
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
