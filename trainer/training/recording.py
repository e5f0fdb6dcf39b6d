"""Writes the status and the log of a run, however it ends."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import FaqError
from trainer import runs
from trainer.runs import Run
from trainer.training.loop import Interrupted

log = logging.getLogger("trainer")


@contextmanager
def status_kept(run: Run) -> Iterator[None]:
    """Write the final state of the run when the block ends, normally or with an exception."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        run.update(state="interrupted", reason=str(error) or "interrupted")
        raise
    except BaseException as error:
        run.update(state="failed", reason=f"{type(error).__name__}: {error}")
        if not isinstance(error, FaqError):
            log.exception("The run failed. Its state is kept in %s.", run.directory)
        raise
    run.update(state="succeeded", phase="done", reason=None)


@contextmanager
def logging_to(run: Run) -> Iterator[None]:
    """Also write log records and the warnings of libraries to the run's log."""
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
