"""How good a bundle is, measured with the encoder and the ranking that serve it.

answers    each question against all entries of the index, scored as served. Every entry with an identical answer is
           relevant. A question that stands in the index as a phrasing has that phrasing removed, and is counted.
tutorial   every question and answer is searched among all questions and answers, itself excluded; its partner is
           relevant (the Quaterion tutorial's protocol).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.retrieval.bundle import Bundle
from app.retrieval.encoder import Encoder
from app.retrieval.ranking import Vectors
from trainer import metrics
from trainer.corpus import BLOCK_CELLS, Corpus, margins, numbered
from trainer.data import refuse_unknown, resolver

Protocol = Literal["answers", "tutorial"]
Figures = dict[str, Any]
Flags = NDArray[np.bool_]


def evaluate(bundle: Bundle, entries: Sequence[Entry], queries: Sequence[Query], protocol: Protocol) -> Figures:
    """Figures of one bundle, ready for JSON. Raises InputError for queries that no entry of the index answers."""
    encoder = Encoder(bundle)
    if protocol == "tutorial":
        return tutorial(encoder, *_partners(entries, queries))
    return answers(bundle, Corpus(entries, encoder), encoder, queries)


def answers(bundle: Bundle, corpus: Corpus, encoder: Encoder, queries: Sequence[Query]) -> Figures:
    """The protocol `answers`: ranking over the answerable queries, and decisions at the bundle's threshold over all."""
    relevant = _relevant(corpus, queries)
    texts = [query.question for query in queries]
    vectors = encoder.questions(texts)
    ranked, removed = [], 0
    confidence, right = np.empty(len(texts)), np.zeros(len(texts), dtype=bool)
    for rows, block in corpus.blocks(vectors, texts):
        removed += block.removed
        scores = block.scores(bundle.ranking.question_weight)
        top = scores.argmax(axis=1)
        each = np.arange(len(scores))
        margin = margins(scores, corpus.answer_ids)[each, top]
        confidence[rows] = bundle.ranking.calibration.confidence(scores[each, top].astype(float), margin.astype(float))
        for row, query in enumerate(range(*rows.indices(len(texts)))):
            if len(relevant[query]):
                ranked.append(metrics.ranks(scores[row], relevant[query]))
                right[query] = top[row] in relevant[query]
    figures: Figures = {"queries": len(queries), "entries": len(corpus), "phrasings_removed": removed}
    answerable = np.array([len(one) > 0 for one in relevant])
    decided = _decisions(confidence >= bundle.ranking.calibration.threshold, right, answerable)
    if not answerable.all():
        decided["calibration_error"] = _calibration_error(confidence, right)
    return {**figures, **metrics.summarize(ranked), **decided}


def tutorial(encoder: Encoder, questions: Sequence[str], partners: Sequence[str]) -> Figures:
    """The protocol `tutorial` over n pairs of texts, given as two lists."""
    texts = [*questions, *partners]
    vectors = encoder.questions(texts)  # (2n, dimension)
    groups = np.tile(numbered(partners), 2)  # (2n,): of one answer
    same = numbered(texts)  # (2n,): of one text
    side = np.arange(len(texts)) >= len(questions)
    ranked = []
    for start, scores in _blocks(vectors):
        for i, row in enumerate(scores, start=start):
            row[same == same[i]] = -np.inf
            ranked.append(metrics.ranks(row, np.flatnonzero((groups == groups[i]) & (side != side[i]))))
    return {"queries": len(texts), "entries": len(texts), **metrics.summarize(ranked)}


def _blocks(vectors: Vectors) -> Iterator[tuple[int, Vectors]]:
    size = max(1, BLOCK_CELLS // len(vectors))
    for start in range(0, len(vectors), size):
        yield start, vectors[start : start + size] @ vectors.T


def _relevant(corpus: Corpus, queries: Sequence[Query]) -> list[NDArray[np.int64]]:
    find = resolver(corpus.entries)
    found = [() if query.unanswerable else find(query) for query in queries]
    refuse_unknown([q.question for q, one in zip(queries, found, strict=True) if not one and not q.unanswerable])
    return [corpus.relevant(one) if one else np.empty(0, dtype=np.int64) for one in found]


def _partners(entries: Sequence[Entry], queries: Sequence[Query]) -> tuple[list[str], list[str]]:
    """Each answerable question and its answer's text."""
    find = resolver(entries)
    pairs = [
        (query.question, query.answer or next((entries[i].answer for i in find(query)), None)) for query in queries
    ]
    known = [(question, answer) for question, answer in pairs if answer]
    if not known:
        raise InputError("No query has an answer, so there are no pairs to search for.")
    return [question for question, _ in known], [answer for _, answer in known]


def _decisions(answered: Flags, right: Flags, answerable: Flags) -> Figures:
    """What the service would do: how much it answers, how often rightly, and how much it rightly refuses."""
    figures: Figures = {"answered": float(answered.mean())}
    if answered.any():
        figures["answered_right"] = float(right[answered].mean())
    if (~answerable).any():
        figures |= {"unanswerable": int((~answerable).sum()), "refused": float((~answered)[~answerable].mean())}
    return figures


def _calibration_error(confidence: NDArray[np.float64], right: Flags, bins: int = 10) -> float:
    """Expected calibration error: the mean distance of confidence from the share that is right, over equal bins."""
    order = np.argsort(confidence)
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(confidence[part].mean() - right[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / max(1, len(confidence)))
