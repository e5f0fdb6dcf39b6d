"""Export of a sentence-transformers model to a bundle: graph, tokenizer, ranking and checks.

The export writes a temporary directory and then renames it. It makes one graph in 32-bit floats and one in 8-bit
integers, for each tower of the model. The bundle has the 8-bit graphs if all of them pass every check:
parity               cosine between torch and the graph, on average and at the least, over a sample of the FAQ's texts
batch_independence   least cosine between a text alone and the same text in a batch of 16
ranking              what 8 bits cost in precision@1 and MRR over the FAQ's own phrasings, beyond what chance explains
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from sentence_transformers import SentenceTransformer

from app import durable
from app.arrays import Floats, Integers, Vectors
from app.encoding.bundle import ANSWERS, HELDOUT, MODEL, RANKING, TOKENIZER, Bundle, Encoding, HeldOut, seal
from app.encoding.encoder import Encoder
from app.errors import FaqError
from app.knowledge.entry import Entry
from app.ranking.ranking import Ranking
from app.ranking.unanswerable import DEFAULT_SHARE
from trainer.data.queries import Query
from trainer.data.training_set import order
from trainer.evaluation import evaluate, figures, statistics
from trainer.evaluation.corpus import Corpus
from trainer.evaluation.evaluate import Encode
from trainer.evaluation.served import Served, served
from trainer.evaluation.statistics import Difference
from trainer.evaluation.weights import DEFAULTS, PRECISION, QUESTION_WEIGHT, calibrate
from trainer.export.graph import export_onnx
from trainer.export.quantize import Feed, quantize
from trainer.export.reranker import add
from trainer.reranking.training import CrossEncoder
from trainer.training.towers import ANSWER, QUESTION, has_towers, tower, towers

LIBRARIES = ("torch", "sentence-transformers", "transformers", "onnx", "onnxruntime", "tokenizers", "numpy")
INDEPENDENCE = 0.999  # at the least
PARITY, PARITY_LEAST = 0.998, 0.98  # on average, and at the least
RANKING_LOSS, SIGNIFICANT = 0.005, 0.05  # most that 8 bits may cost in a ranking metric; below which p it is a cost
SAMPLE = 128  # texts that parity and independence are checked on
QUERIES, ENTRIES = 2000, 2000  # that ranking is compared on, at most

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
    """The model as a bundle in `target`, which appears only when it is complete and checked.

    The held-out questions calibrate it. `precision` int8 falls back to fp32 when a check fails. `crossencoder`: goes in
    as the reranker if it helps. `target_precision`: what the threshold is chosen for. `unanswerable_share`: of the
    questions that nothing answers. `fields` are the manifest's own: base_model, recipe, training_data_sha256.

    Raises ExportFailed, or InputError for a model of an architecture that cannot be exported.
    """
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    fields["created_at"] = _now()
    try:
        chosen, checks = _choose(model, aside, entries, precision, fields)
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
        shutil.rmtree(aside, ignore_errors=True)
    return Bundle.load(target)


def _log_summary(ranking: Ranking, metrics: dict[str, Any]) -> None:
    calibration = ranking.calibration
    weights = f"phrasings count {ranking.question_weight:.0%}, words {ranking.lexical_weight}"
    thresholds = f"answers from {calibration.threshold:.2f}, offers from {calibration.offer.threshold:.2f}"
    counts = f"{weights}; {thresholds}"
    if "heldout" in metrics and "mrr" in metrics["heldout"]:
        found = metrics["heldout"]
        counts += f"; held-out questions: precision@1 {found['precision@1']:.3f}, MRR {found['mrr']:.3f}"
    log.info("%s", counts)


def plain(model: SentenceTransformer, directory: Path, **fields: object) -> Bundle:
    """The model as a bundle for evaluation only: 32-bit floats, the default ranking, no checks."""
    return _graph_bundle(model, directory, "fp32", {"created_at": _now(), **fields})


def measure(index: Served, ranking: Ranking, heldout: Sequence[HeldOut]) -> dict[str, Any]:
    """The figures of a ranking on the held-out questions; none where there are none."""
    queries = [Query(one.question, one.faq_id) for one in heldout]
    return {"heldout": figures.summary(evaluate.answered(index, ranking, queries))} if queries else {}


def _choose(
    model: SentenceTransformer, aside: Path, entries: Sequence[Entry], precision: Precision, fields: dict[str, Any]
) -> tuple[Bundle, dict[str, Any]]:
    """The bundle to complete, in 8 bits if they pass, and the checks of both."""
    exact = _graph_bundle(model, aside / "fp32", "fp32", fields)
    checks: dict[str, Any] = {"fp32": _agreement(model, exact, entries)}
    if reason := _failure(checks["fp32"]):
        raise ExportFailed(f"The exported graph computes other embeddings than the model: {reason}.")
    if precision == "fp32":
        return exact, checks
    small = _graph_bundle(model, aside / "int8", "int8", fields, (exact, _feeds(model, entries)))
    found = _agreement(model, small, entries)
    before, after = _ranking(exact, entries), _ranking(small, entries)
    changes = statistics.differences(before.table, after.table, before.entries)
    found |= {f"{name}_cost": -change.mean for name, change in changes.items()}
    reason = _failure(found) or _loss(changes)
    checks["int8"] = {**found, "passed": reason is None}
    for name, values in checks.items():
        log.info("%s: %s", name, ", ".join(f"{key} {value:.4f}" for key, value in values.items()))
    if reason:
        log.warning("The model is exported in 32-bit floats because the 8-bit form failed a check: %s", reason)
    return (exact, checks) if reason else (small, checks)


def _failure(found: dict[str, float]) -> str | None:
    """Which check fails and by how much; None when all pass."""
    required = {"parity": PARITY, "parity_least": PARITY_LEAST, "batch_independence": INDEPENDENCE}
    for name, least in required.items():
        if not found[name] >= least:  # NaN fails too
            return f"{name} is {found[name]:.4f}, less than {least}"
    return None


def _loss(changes: Mapping[str, Difference]) -> str | None:
    """The first metric that 8 bits lower significantly and by more than RANKING_LOSS, as a reason; None if none."""
    lost = {name: one for name, one in changes.items() if -one.mean > RANKING_LOSS and one.p < SIGNIFICANT}
    reasons = (f"{name} fell by {-one.mean:.4f}, more than {RANKING_LOSS}, p {one.p:.3f}" for name, one in lost.items())
    return next(reasons, None)


def _graph_bundle(
    model: SentenceTransformer,
    directory: Path,
    precision: Precision,
    fields: dict[str, Any],
    source: _Source | None = None,
) -> Bundle:
    """A bundle with graphs and tokenizer, with the default ranking; in 8 bits if `source` has the exact bundle."""
    directory.mkdir(parents=True)
    for name, one in zip((MODEL, ANSWERS), towers(model), strict=False):
        if source is None:
            export_onnx(one, directory / name, _tokens(model))
        else:
            exact, feeds = source
            quantize(exact.directory / name, directory / name, feeds)
    tower(model, QUESTION).tokenizer.backend_tokenizer.save(str(directory / TOKENIZER))
    _write(directory, DEFAULTS, ())
    dimension = int(tower(model, QUESTION).get_embedding_dimension() or 0)
    encoding = Encoding(dimension=dimension, max_tokens=_tokens(model), precision=precision)
    return Bundle(directory, seal(directory, encoding=encoding, **fields))


def _tokens(model: SentenceTransformer) -> int:
    """How many tokens the model reads; `trainer.training.model.load` has set it."""
    return int(tower(model, QUESTION).max_seq_length or 0)


def _write(directory: Path, ranking: Ranking, heldout: Sequence[HeldOut]) -> None:
    content = ranking.model_dump_json(indent=2, exclude_none=True)  # what is optional changes nothing where it is not
    (directory / RANKING).write_text(f"{content}\n", encoding="utf-8")
    lines = (json.dumps(one._asdict(), ensure_ascii=False) + "\n" for one in heldout)
    (directory / HELDOUT).write_text("".join(lines), encoding="utf-8")


def _agreement(model: SentenceTransformer, bundle: Bundle, entries: Sequence[Entry]) -> dict[str, float]:
    """Cosines between torch and the graph, and between a text alone and in a batch of mixed lengths; of every tower."""
    encoder = Encoder(bundle)
    sides: dict[str, Encode] = {QUESTION: encoder.encode_queries, ANSWER: partial(_first_windows, encoder)}
    names = (QUESTION, ANSWER) if has_towers(model) else (QUESTION,)
    found = [_agreement_of(tower(model, name), sides[name], _texts(entries)) for name in names]
    parity, independence = (np.concatenate(each) for each in zip(*found, strict=True))
    return {
        "parity": float(parity.mean()),
        "parity_least": float(parity.min()),
        "batch_independence": float(independence.min()),
    }


def _agreement_of(model: SentenceTransformer, encode: Encode, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
    """Parity and independence of one encoder, cosines, (texts,) each."""
    exact = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
    alone = np.concatenate([encode([text]) for text in texts])
    mixed = np.concatenate([encode(texts[start : start + 16]) for start in range(0, len(texts), 16)])
    return (exact * mixed).sum(axis=1), (alone * mixed).sum(axis=1)


def _first_windows(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """(n, dimension): of each answer as much as the model reads at once, as torch does."""
    return np.stack([windows[0] for windows in encoder.encode_documents(texts)])


def _feeds(model: SentenceTransformer, entries: Sequence[Entry]) -> list[Feed]:
    """A sample of the FAQ's texts as model inputs, one text each."""
    read = tower(model, QUESTION).tokenizer
    tokens = (read(text, truncation=True, max_length=_tokens(model)) for text in _texts(entries))
    return [{name: np.array([one[name]], dtype=np.int64) for name in ("input_ids", "attention_mask")} for one in tokens]


def _texts(entries: Sequence[Entry]) -> list[str]:
    return _sampled([text for entry in entries for text in (entry.plain_answer, *entry.phrasings)], SAMPLE)


class _Ranked(NamedTuple):
    """Precision@1 and MRR of phrasings, (phrasings,) each, and the entry of each phrasing as a number."""

    table: dict[str, Floats]
    entries: Integers


def _ranking(bundle: Bundle, entries: Sequence[Entry]) -> _Ranked:
    """How phrasings are ranked, every one left out of the index when it is asked."""
    names = set(_sampled([entry.id for entry in entries], ENTRIES))
    some = [entry for entry in entries if entry.id in names]
    phrasings = {phrasing: entry.id for entry in some for phrasing in entry.phrasings}
    asked = [Query(text, phrasings[text]) for text in _sampled(list(phrasings), QUERIES)]
    encoder = Encoder(bundle)
    if not asked:
        return _Ranked({}, np.empty(0, dtype=np.int64))
    outcomes = evaluate.dense(QUESTION_WEIGHT, Corpus(some, encoder), encoder, asked)
    return _Ranked({name: outcomes.table[name] for name in ("precision@1", "mrr")}, outcomes.about)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sampled(texts: Sequence[str], count: int) -> list[str]:
    return sorted(dict.fromkeys(texts), key=lambda text: order(text, 0))[:count]
