"""How sure one may be of a release: the bundle's held-out questions, asked of the index that it is made of."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.releases.catalog import Catalog
from app.retrieval.bundle import Bundle
from app.retrieval.calibrating import MIN_QUESTIONS, calibrate
from app.retrieval.encoder import Encoder
from app.retrieval.heldout import Examiner, Outcome, Payload, resolve
from app.retrieval.index import Calibrated
from app.retrieval.ranking import Ranking
from app.retrieval.reranker import CANDIDATES, Reranker

HELD_OUT, RERANKED = 500, 150  # questions that calibrate a release, at most; the reranker takes its time for each


async def measure(catalog: Catalog, name: str, bundle: Bundle, encoder: Encoder, payloads: Sequence[Payload]) -> None:
    """Give a release, which holds these entries, its calibration, unless it has one or too little is held out."""
    index = await catalog.indexes.open(name)
    try:
        if index.calibrated is None and (found := await calibrated(Examiner(index, encoder, payloads), bundle)):
            await catalog.indexes.calibrate(name, found)
    finally:
        await index.close()


async def calibrated(examiner: Examiner, bundle: Bundle) -> Calibrated | None:
    """The bundle's calibration anew, for what the examiner's index holds; None where too little is held out."""
    asked = resolve(bundle.heldout(), examiner.payloads)
    if sum(bool(one.relevant) for one in asked) < MIN_QUESTIONS:
        return None
    precision = examiner.index.record.target_precision or bundle.ranking.target_precision
    ranking = bundle.ranking.model_copy(update={"target_precision": precision})
    outcomes = await examiner.ask(asked[:HELD_OUT])
    return calibrate(outcomes, ranking, _read_again(bundle, ranking, outcomes[:RERANKED]))


def _read_again(bundle: Bundle, ranking: Ranking, outcomes: Sequence[Outcome]) -> list[NDArray[np.float32]] | None:
    """The reranker's scores of the best candidates of each question, best first; None where there is no reranker."""
    if ranking.reranker_weight is None:
        return None
    reranker = Reranker.of(bundle)
    return [reranker.scores(one.question.text, _best_texts(reranker, ranking, one)) for one in outcomes]


def _best_texts(reranker: Reranker, ranking: Ranking, outcome: Outcome) -> list[str]:
    """What the reranker reads of one question's best candidates, best first."""
    best = np.argsort(-ranking.scores(outcome.features), kind="stable")[:CANDIDATES]
    return reranker.texts(outcome.candidates[i].payload for i in best)
