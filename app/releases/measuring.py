"""How sure one may be of a release: the bundle's held-out questions, asked of the index that it is made of."""

import logging
from collections.abc import Sequence

import numpy as np

from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.ranking.calibration import Calibrated, calibrated_of
from app.ranking.fitting import Reread, calibrate
from app.ranking.heldout import Evaluator, Outcome, Payload, resolve, sample
from app.ranking.ranking import Ranking
from app.ranking.reranker import CANDIDATES, Reranker
from app.releases.catalog import Catalog

HELD_OUT, RERANKED = 500, 150  # questions that calibrate a release, at most; the reranker takes its time for each
logger = logging.getLogger(__name__)


async def measure(catalog: Catalog, name: str, bundle: Bundle, encoder: Encoder, payloads: Sequence[Payload]) -> None:
    """Give a release, which holds these entries, its calibration, unless it has one. What prevents it is logged."""
    index = await catalog.indexes.open(name)
    try:
        before = calibrated_of(index.calibration, name)
        if before is None or before.calibration is None:
            own = await calibrated(Evaluator(index, encoder, payloads), bundle)
            for problem in own.problems:
                logger.warning("Release %s keeps the calibration of its bundle. %s", name, problem)
            await catalog.indexes.calibrate(name, own.model_dump(mode="json"))
    finally:
        await index.close()


async def calibrated(evaluator: Evaluator, bundle: Bundle) -> Calibrated:
    """The bundle's calibration fitted to what the evaluator's index holds, or why that cannot be done."""
    asked = resolve(bundle.heldout(), evaluator.payloads)
    chosen = sample([one.question for one in asked], [bool(one.relevant) for one in asked], HELD_OUT)
    outcomes = await evaluator.ask([asked[i] for i in chosen])
    record = evaluator.index.record
    stated = {name: getattr(record, name) for name in ("target_precision", "offer_precision", "unanswerable_share")}
    ranking = Ranking.of(bundle).model_copy(update={name: value for name, value in stated.items() if value})
    return calibrate(outcomes, ranking, _reread(bundle, ranking, outcomes))


def _reread(bundle: Bundle, ranking: Ranking, outcomes: Sequence[Outcome]) -> list[Reread]:
    """A sample of the questions with the reranker's scores of their best candidates; empty without a reranker."""
    if ranking.reranker_weight is None:
        return []
    reranker = Reranker.of(bundle)
    chosen = sample([one.question.text for one in outcomes], [one.answerable for one in outcomes], RERANKED)
    return [
        Reread(outcomes[i], reranker.scores(outcomes[i].question.text, _best_texts(reranker, ranking, outcomes[i])))
        for i in chosen
    ]


def _best_texts(reranker: Reranker, ranking: Ranking, outcome: Outcome) -> list[str]:
    """What the reranker reads of one question's best candidates, best first."""
    best = np.argsort(-ranking.scores(outcome.features), kind="stable")[:CANDIDATES]
    return reranker.texts(outcome.candidates[i].payload for i in best)
