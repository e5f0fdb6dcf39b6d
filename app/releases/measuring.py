"""Calibrates a release: asks its index the bundle's held-out questions and fits the confidence to the outcomes."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from app.encoding.bundle import Bundle, HeldOut
from app.encoding.encoder import Encoder
from app.index.protocol import Index
from app.ranking.calibration import Calibrated, calibrated_of
from app.ranking.fitting import Reread, calibrate
from app.ranking.heldout import Evaluator, Outcome, Payloads, resolve, sample
from app.ranking.ranking import Ranking
from app.ranking.reranker import CANDIDATES, Reranker
from app.releases.catalog import Catalog

HELD_OUT, RERANKED = 500, 150  # most questions that calibrate a release; fewer with the reranker, which is slow
RealQuestions = Callable[[], Sequence[HeldOut]]  # called where a calibration is fitted


def no_questions() -> Sequence[HeldOut]:
    """No questions of users."""
    return ()


async def measure(
    catalog: Catalog,
    name: str,
    bundle: Bundle,
    encoder: Encoder,
    payloads: Payloads,
    real: RealQuestions = no_questions,
) -> None:
    """Store the calibration of a release of these entries, unless it has one; or the reasons why it has none."""
    async with catalog.index(name) as index:
        before = calibrated_of(index.calibration, name)
        if before is None or before.calibration is None or before.densities is None:
            await fit(catalog, index, bundle, encoder, payloads, real)


async def fit(
    catalog: Catalog,
    index: Index,
    bundle: Bundle,
    encoder: Encoder,
    payloads: Payloads,
    real: RealQuestions = no_questions,
) -> None:
    """Calibrate an open release of these entries, in place of an earlier calibration.

    `real`: questions of users whose answers are known, which the bundle was not trained on.
    """
    name = index.record.name
    fitted = await calibrated(Evaluator(index, encoder, payloads), bundle, await asyncio.to_thread(real))
    fitted = fitted.model_copy(update={"fitted_for": name})
    await catalog.indexes.calibrate(name, fitted.model_dump(mode="json"))


async def calibrated(evaluator: Evaluator, bundle: Bundle, real: Sequence[HeldOut] = ()) -> Calibrated:
    """The calibration of the bundle's ranking on the evaluator's index, or the reasons why there is none."""
    asked_by_users = {question.question for question in real}
    heldout = [question for question in bundle.heldout() if question.question not in asked_by_users]
    outcomes = await _asked(evaluator, heldout)
    real_outcomes = await _asked(evaluator, real)
    record = evaluator.index.record
    stated = {name: getattr(record, name) for name in ("target_precision", "offer_precision", "unanswerable_share")}
    ranking = Ranking.of(bundle).model_copy(update={name: value for name, value in stated.items() if value})
    return calibrate(outcomes, ranking, _reread(bundle, ranking, [*outcomes, *real_outcomes]), real_outcomes)


async def _asked(evaluator: Evaluator, heldout: Iterable[HeldOut]) -> list[Outcome]:
    """The outcomes of at most HELD_OUT of the questions."""
    questions = resolve(heldout, evaluator.payloads)
    texts = [question.question for question in questions]
    answerable = [bool(question.relevant) for question in questions]
    return await evaluator.ask([questions[i] for i in sample(texts, answerable, HELD_OUT)])


def _reread(bundle: Bundle, ranking: Ranking, outcomes: Sequence[Outcome]) -> list[Reread]:
    """A sample of the questions with the reranker's scores of their best candidates; empty without a reranker."""
    if ranking.reranker_weight is None:
        return []
    reranker = Reranker.of(bundle)
    texts, answerable = [outcome.question.text for outcome in outcomes], [outcome.answerable for outcome in outcomes]
    sampled = [outcomes[i] for i in sample(texts, answerable, RERANKED)]
    return [
        Reread(outcome, reranker.scores(outcome.question.text, _best_texts(reranker, ranking, outcome)))
        for outcome in sampled
    ]


def _best_texts(reranker: Reranker, ranking: Ranking, outcome: Outcome) -> list[str]:
    """The texts of one question's best candidates for the reranker, best first."""
    best = np.argsort(-ranking.scores(outcome.features), kind="stable")[:CANDIDATES]
    return reranker.texts(outcome.hits.take(best).payloads())
