"""Export of a sentence-transformers model to a bundle: graph, tokenizer, ranking and checks.

The export writes a temporary directory and then renames it. It makes one graph in 32-bit floats and one in 8-bit
integers, for each tower of the model. The bundle has the 8-bit graphs if all of them pass every check of
`trainer.export.checks`.
"""

import json
import logging
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from sentence_transformers import SentenceTransformer

from app import durable
from app.encoding.bundle import ANSWERS, HELDOUT, MODEL, RANKING, TOKENIZER, Bundle, Encoding, HeldOut, seal
from app.encoding.encoder import Encoder
from app.errors import FaqError
from app.graphs.quantize import Feed, feeds, quantize
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.ranking.defaults import DEFAULTS, PRECISION
from app.ranking.ranking import Ranking
from app.ranking.unanswerable import DEFAULT_SHARE
from trainer.evaluation import evaluate, figures
from trainer.evaluation.served import Served, served
from trainer.evaluation.weights import calibrate
from trainer.export.checks import agreement, disagreement, max_tokens, ranking_changes, ranking_loss, sampled_texts
from trainer.export.graph import export_onnx
from trainer.export.reranker import add
from trainer.reranking.training import CrossEncoder
from trainer.training.towers import QUESTION, tower, towers

LIBRARIES = ("torch", "sentence-transformers", "transformers", "onnx", "onnxruntime", "tokenizers", "numpy")

Precision = Literal["fp32", "int8"]
_Source = tuple[Bundle, Sequence[Feed]]
log = logging.getLogger("trainer")


class ExportFailed(FaqError):
    """The exported graph computes other embeddings than the model."""

    code = "export_failed"


def export(
    model: SentenceTransformer,
    target: Path,
    *,
    entries: Sequence[Entry],
    heldout: Sequence[HeldOut] = (),
    precision: Precision = "int8",
    crossencoder: CrossEncoder | None = None,
    target_precision: float = PRECISION,
    unanswerable_share: float = DEFAULT_SHARE,
    **fields: object,
) -> Bundle:
    """Export the model to a bundle in `target`, which appears only when it is complete and checked.

    `heldout`: the questions that calibrate the bundle. `precision`: int8 falls back to fp32 when a check fails.
    `crossencoder`: becomes the reranker if it helps. `target_precision`: the threshold is chosen for it.
    `unanswerable_share`: the share of questions that nothing answers. `fields`: further fields of the manifest
    (base_model, recipe, training_data_sha256).

    Raises ExportFailed, or InputError for a model of an architecture that cannot be exported.
    """
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    fields["created_at"] = _now()
    try:
        chosen, checks = _choose(model, scratch, entries, precision, fields)
        with served(chosen, entries, Encoder(chosen)) as index:
            ranking = calibrate(index, heldout, target_precision, unanswerable_share)
            metrics = measure(index, ranking, heldout)
            _write(chosen.directory, ranking, heldout)
            added = add(crossencoder, chosen, index, heldout, precision == "int8") if crossencoder else None
        if added:
            ranking = added.ranking
            _write(chosen.directory, ranking, heldout)
            checks, metrics["reranker"] = checks | added.checks, added.metrics
        fields |= {"checks": checks, "metrics": metrics, "libraries": {name: version(name) for name in LIBRARIES}}
        reranker = added.settings if added else None
        seal(chosen.directory, encoding=chosen.manifest.encoding, reranker=reranker, **fields)
        shutil.rmtree(target, ignore_errors=True)
        durable.move(chosen.directory, target)
        _log_summary(ranking, metrics)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Bundle.load(target)


def _log_summary(ranking: Ranking, metrics: dict[str, Any]) -> None:
    calibration = ranking.calibration
    weights = f"phrasings count {ranking.question_weight:.0%}, words {ranking.lexical_weight}"
    thresholds = f"answers from {calibration.threshold:.2f}, offers from {calibration.offer.threshold:.2f}"
    summary = f"{weights}; {thresholds}"
    if "heldout" in metrics and "mrr" in metrics["heldout"]:
        heldout = metrics["heldout"]
        summary += f"; held-out questions: precision@1 {heldout['precision@1']:.3f}, MRR {heldout['mrr']:.3f}"
    log.info("%s", summary)


def plain(model: SentenceTransformer, directory: Path, **fields: object) -> Bundle:
    """The model as a bundle for evaluation only: 32-bit floats, the default ranking, no checks."""
    return _graph_bundle(model, directory, "fp32", {"created_at": _now(), **fields})


def measure(index: Served, ranking: Ranking, heldout: Sequence[HeldOut]) -> dict[str, Any]:
    """The figures of a ranking on the held-out questions, under `heldout`; empty without such questions."""
    queries = [Query(question.question, question.faq_id) for question in heldout]
    return {"heldout": figures.summary(evaluate.answered(index, ranking, queries))} if queries else {}


def _choose(
    model: SentenceTransformer, scratch: Path, entries: Sequence[Entry], precision: Precision, fields: dict[str, Any]
) -> tuple[Bundle, dict[str, Any]]:
    """The 8-bit bundle if it is wanted and passes its checks, else the exact one; and the checks of both."""
    exact = _graph_bundle(model, scratch / "fp32", "fp32", fields)
    checks: dict[str, Any] = {"fp32": agreement(model, exact, entries)}
    if reason := disagreement(checks["fp32"]):
        raise ExportFailed(f"The exported graph computes other embeddings than the model: {reason}.")
    if precision == "fp32":
        return exact, checks
    small = _graph_bundle(
        model, scratch / "int8", "int8", fields, (exact, feeds(Encoder(exact), sampled_texts(entries)))
    )
    measured = agreement(model, small, entries)
    changes = ranking_changes(exact, small, entries)
    measured |= {f"{name}_cost": -change.mean for name, change in changes.items()}
    reason = disagreement(measured) or ranking_loss(changes)
    checks["int8"] = {**measured, "passed": reason is None}
    for name, values in checks.items():
        log.info("%s: %s", name, ", ".join(f"{key} {value:.4f}" for key, value in values.items()))
    if reason:
        log.warning("The model is exported in 32-bit floats because the 8-bit form failed a check: %s", reason)
    return (exact, checks) if reason else (small, checks)


def _graph_bundle(
    model: SentenceTransformer,
    directory: Path,
    precision: Precision,
    fields: dict[str, Any],
    source: _Source | None = None,
) -> Bundle:
    """A bundle with graphs, tokenizer and the default ranking. `source`: the exact bundle to convert to 8 bits."""
    directory.mkdir(parents=True)
    for name, encoder in zip((MODEL, ANSWERS), towers(model), strict=False):
        if source is None:
            export_onnx(encoder, directory / name, max_tokens(model))
        else:
            exact, inputs = source
            quantize(exact.directory / name, directory / name, inputs)
    tower(model, QUESTION).tokenizer.backend_tokenizer.save(str(directory / TOKENIZER))
    _write(directory, DEFAULTS, ())
    dimension = int(tower(model, QUESTION).get_embedding_dimension() or 0)
    encoding = Encoding(dimension=dimension, max_tokens=max_tokens(model), precision=precision)
    return Bundle(directory, seal(directory, encoding=encoding, **fields))


def _write(directory: Path, ranking: Ranking, heldout: Sequence[HeldOut]) -> None:
    content = ranking.model_dump_json(indent=2, exclude_none=True)  # without what the ranking does not set
    (directory / RANKING).write_text(f"{content}\n", encoding="utf-8")
    lines = (json.dumps(question._asdict(), ensure_ascii=False) + "\n" for question in heldout)
    (directory / HELDOUT).write_text("".join(lines), encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
