"""Export of the cross-encoder into a bundle: its graph, its checks and the weight of its score.

The score of each of the best 20 candidates gains its logit times one weight, fitted on held-out questions; other
candidates stay below them. A reranker without a significant gain on these questions is left out.

parity               correlation of the model's scores with the graph's, over the candidates of a few questions
batch_independence   1 - the largest change of a score between a pair alone and among others, in standard deviations
..._cost             what 8 bits cost in precision@1 and MRR over the held-out questions
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding as Tokens

from app.arrays import Floats
from app.encoding.bundle import RERANKER, TOKENIZER, Bundle, HeldOut, Reranking
from app.graphs.quantize import Feed, quantize
from app.index.words import answer_of
from app.ranking.fitting import MIN_QUESTIONS, Reread, calibrate
from app.ranking.heldout import Outcome, sample
from app.ranking.ranking import Ranking
from app.ranking.reranker import CANDIDATES, Reranker, candidate_text, padded
from trainer.evaluation.served import Served
from trainer.export.graph import write
from trainer.reranking.training import CrossEncoder

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
NOWHERE = 1000.0  # the rank of an entry that the index did not return
QUESTIONS = 500  # held-out ones, at most: 20 pairs each
SAMPLE = 8  # questions whose pairs parity and independence are checked on
PARITY, PARITY_SMALL = 0.9999, 0.99  # at least, in 32 and in 8 bits
INDEPENDENCE = 0.999
RANKING_COST = 0.005
WEIGHTS = tuple(float(f"{10 ** (i / 8):.2g}") for i in range(-24, 1))  # 0.001 to 1

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Added:
    """What a bundle records about its reranker; `ranking` is the bundle's with the reranker."""

    settings: Reranking
    ranking: Ranking
    checks: dict[str, Any]
    metrics: dict[str, float]


@dataclass(frozen=True)
class Candidates:
    """The best candidates of held-out questions, best first; texts, scores and right are (questions, candidates)."""

    questions: Sequence[str]
    texts: Sequence[Sequence[str]]
    scores: Floats
    right: NDArray[np.bool_]
    place: Floats  # (questions,): rank of the first right entry among all candidates; NOWHERE without one

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], ranking: Ranking, with_question: bool) -> "Candidates":
        """The best candidates by the scores of `ranking`, (questions, up to 20)."""
        scores = [ranking.scores(outcome.features) for outcome in outcomes]
        orders = [np.argsort(-row, kind="stable") for row in scores]
        right = [outcome.right[order] for outcome, order in zip(outcomes, orders, strict=True)]
        count = min(CANDIDATES, *(len(order) for order in orders))
        payloads = [
            outcome.hits.take(order[:count]).payloads() for outcome, order in zip(outcomes, orders, strict=True)
        ]
        texts = [[candidate_text(row["question"], answer_of(row), with_question) for row in rows] for rows in payloads]
        return cls(
            [outcome.question.text for outcome in outcomes],
            texts,
            np.stack([row[order[:count]] for row, order in zip(scores, orders, strict=True)]),
            np.stack([flags[:count] for flags in right]),
            np.array([1.0 + flags.argmax() if flags.any() else NOWHERE for flags in right]),
        )

    def scored(self, reranker: Reranker) -> Floats:
        """The reranker's scores, (questions, candidates)."""
        pairs = zip(self.questions, self.texts, strict=True)
        return np.array([reranker.scores(question, texts) for question, texts in pairs], dtype=np.float64)

    def places(self, added: Floats) -> Floats:
        """The rank of each question's first right entry, (questions,), with `added` added to the scores."""
        best_first = np.argsort(-(self.scores + added), axis=1, kind="stable")
        right = np.take_along_axis(self.right, best_first, axis=1)
        return np.where(right.any(axis=1), 1.0 + right.argmax(axis=1), self.place)


def add(
    model: CrossEncoder, bundle: Bundle, index: Served, heldout: Sequence[HeldOut], small: bool = True
) -> Added | None:
    """Write reranker.onnx into an unsealed bundle. Returns None, and logs the reason, if the reranker is left out.

    `bundle`: has its fitted ranking. `index`: holds the FAQ. `small`: write 8-bit weights if they pass their checks.
    """
    answerable = [question.faq_id is not None or question.answer is not None for question in heldout]
    rows = sample([question.question for question in heldout], answerable, QUESTIONS)
    outcomes = index.ask_heldout([heldout[i] for i in rows])
    answered = [outcome for outcome in outcomes if outcome.answerable]
    if len(answered) < MIN_QUESTIONS:
        log.warning("The reranker is left out: too few held-out questions to fit its weight.")
        return None
    candidates = Candidates.of(answered, Ranking.of(bundle), model.with_question)
    with TemporaryDirectory() as scratch:
        chosen = _chosen(model, candidates, bundle, Path(scratch), small)
        reason = chosen.failure or (None if chosen.weight else "it has no significant gain on held-out questions")
        if reason:
            log.warning("The reranker is left out: %s.", reason)
            return None
        (bundle.directory / RERANKER).write_bytes(chosen.graph.read_bytes())
    reread = list(map(Reread, answered, chosen.scores.astype(np.float32)))
    reread += _unanswerable(outcomes, bundle, model, chosen)
    return Added(
        chosen.settings, _fitted(Ranking.of(bundle), chosen, reread), chosen.checks, _metrics(candidates, chosen)
    )


def _unanswerable(outcomes: Sequence[Outcome], bundle: Bundle, model: CrossEncoder, chosen: "_Graph") -> list[Reread]:
    """The questions that nothing answers, with the reranker's scores of their candidates."""
    unanswerable = [outcome for outcome in outcomes if not outcome.answerable]
    if not unanswerable:
        return []
    reranker = Reranker(bundle.directory / RERANKER, bundle.directory / TOKENIZER, chosen.settings)
    scores = Candidates.of(unanswerable, Ranking.of(bundle), model.with_question).scored(reranker)
    return list(map(Reread, unanswerable, scores.astype(np.float32)))


def _fitted(ranking: Ranking, chosen: "_Graph", reread: Sequence[Reread]) -> Ranking:
    """The ranking with the reranker's weight and a calibration of reranked answers."""
    weighed = ranking.model_copy(update={"reranker_weight": chosen.weight})
    calibrated = calibrate([question.outcome for question in reread], weighed, reread)
    for problem in calibrated.problems:
        log.warning("Reranked answers use the calibration of answers without the reranker. %s", problem)
    return weighed.model_copy(update={"reranked": calibrated.reranked or ranking.calibration})


def _metrics(candidates: Candidates, chosen: "_Graph") -> dict[str, float]:
    metrics, before = figures(candidates, chosen.weight * chosen.scores), figures(candidates, 0 * chosen.scores)
    log.info(
        "Reranker, weight %.4f: held-out precision@1 %.3f -> %.3f, MRR %.3f -> %.3f",
        chosen.weight, before["precision@1"], metrics["precision@1"], before["mrr"], metrics["mrr"],
    )  # fmt: skip
    metrics |= {f"{name}_without": value for name, value in before.items()}
    return {**metrics, "questions": len(candidates.questions)}


def figures(candidates: Candidates, added: Floats) -> dict[str, float]:
    """Precision@1 and MRR with `added`, (questions, candidates), added to the scores."""
    places = candidates.places(added)
    return {"precision@1": float((places == 1).mean()), "mrr": float((1 / places).mean())}


def fit_weight(candidates: Candidates, scores: Floats) -> float:
    """The weight of the reranker's scores with the best MRR, from the grid WEIGHTS; the smallest of equal weights.

    Returns 0 if the gain is not above its standard error over the questions.
    """
    before = 1 / candidates.places(0 * scores)
    gains = [1 / candidates.places(weight * scores) - before for weight in WEIGHTS]
    means = [float(gain.mean()) for gain in gains]
    best = int(np.argmax(means))
    error = float(gains[best].std() / np.sqrt(len(gains[best])))
    return WEIGHTS[best] if means[best] > error else 0.0


@dataclass(frozen=True)
class _Graph:
    """An exported graph, its scores of the candidates, and the fitted weight; 0 if it does not help."""

    graph: Path
    settings: Reranking
    scores: Floats
    weight: float
    checks: dict[str, Any]
    failure: str | None = None


def _chosen(model: CrossEncoder, candidates: Candidates, bundle: Bundle, scratch: Path, small: bool) -> _Graph:
    """The 8-bit graph if it is wanted and passes, else the exact one."""
    exact = _exported(model, candidates, bundle, scratch)
    if not small or exact.failure or not exact.weight:
        return exact
    path = scratch / "int8.onnx"
    feeds: list[Feed] = [padded([pair]) for pair in _sample(model, candidates)[::3]]
    quantize(exact.graph, path, feeds)
    reranker = _reranker(path, bundle, model, "int8")
    scores = candidates.scored(reranker)
    checks: dict[str, Any] = _agreement(model, candidates, reranker)
    before, after = figures(candidates, exact.weight * exact.scores), figures(candidates, exact.weight * scores)
    checks |= {f"{name}_cost": before[name] - after[name] for name in before}
    reason = _failure(checks, PARITY_SMALL)
    checks["passed"] = reason is None
    both = {**exact.checks, "reranker int8": checks}
    log.info("Reranker, 8 bits: %s", ", ".join(f"{key} {value:.4f}" for key, value in checks.items()))
    if reason:
        log.warning("The reranker is exported in 32-bit floats because the 8-bit form failed a check: %s", reason)
        return replace(exact, checks=both)
    return _Graph(path, reranker.settings, scores, fit_weight(candidates, scores) or exact.weight, both)


def _exported(model: CrossEncoder, candidates: Candidates, bundle: Bundle, scratch: Path) -> _Graph:
    path = scratch / "fp32.onnx"
    write(model, model.backbone.config, INPUTS, "logits", path, model.max_tokens)
    reranker = _reranker(path, bundle, model, "fp32")
    scores, checks = candidates.scored(reranker), _agreement(model, candidates, reranker)
    weight = fit_weight(candidates, scores)
    return _Graph(path, reranker.settings, scores, weight, {"reranker fp32": checks}, _failure(checks, PARITY))


def _reranker(graph: Path, bundle: Bundle, model: CrossEncoder, precision: str) -> Reranker:
    settings = Reranking(max_tokens=model.max_tokens, with_question=model.with_question, precision=precision)
    return Reranker(graph, bundle.directory / TOKENIZER, settings)


def _failure(checks: dict[str, Any], parity: float) -> str | None:
    """Which check fails and by how much; None when all pass."""
    for name, least in {"parity": parity, "batch_independence": INDEPENDENCE}.items():
        if not checks[name] >= least:  # NaN fails too
            return f"{name} is {checks[name]:.4f}, less than {least}"
    costs = {name: value for name, value in checks.items() if name.endswith("_cost") and value > RANKING_COST}
    return next((f"{name} is {value:.4f}, more than {RANKING_COST}" for name, value in costs.items()), None)


def _sample(model: CrossEncoder, candidates: Candidates) -> list[Tokens]:
    pairs = zip(candidates.questions[:SAMPLE], candidates.texts, strict=False)
    return [pair for question, texts in pairs for pair in model.reader.tokenize(question, texts)]


def _agreement(model: CrossEncoder, candidates: Candidates, reranker: Reranker) -> dict[str, float]:
    """`parity` and `batch_independence` of the graph on the pairs of a few questions."""
    with torch.no_grad():
        exact = model.score(_sample(model, candidates)).cpu().numpy()
    pairs = list(zip(candidates.questions[:SAMPLE], candidates.texts, strict=False))
    mixed = np.concatenate([reranker.scores(question, texts) for question, texts in pairs])
    alone = np.concatenate([reranker.scores(question, [text]) for question, texts in pairs for text in texts])
    change = float(np.abs(alone - mixed).max() / mixed.std())
    return {"parity": float(np.corrcoef(exact, mixed)[0, 1]), "batch_independence": 1 - change}
