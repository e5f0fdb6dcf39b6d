"""How good a model is, measured with the ranking that serves it.

answers    each question against all entries of the index, scored as served. Every entry with an identical answer is
           relevant. A question that stands in the index as a phrasing has that phrasing removed, and is counted.
tutorial   every question and answer is searched among all questions and answers, itself excluded; its partner is
           relevant (the Quaterion tutorial's protocol).

Scores are made in blocks of questions, and of each question only the places of what is relevant and the best few
entries are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.retrieval.bundle import Bundle
from app.retrieval.encoder import Encoder
from app.retrieval.ranking import Ranking, Vectors
from trainer.data import refuse_unknown, resolver
from trainer.evaluation import figures, metrics
from trainer.evaluation.corpus import BLOCK_CELLS, Corpus, Encodes, margins, numbered
from trainer.evaluation.figures import Figures, Outcomes

TOP = 3  # entries kept of each ranking, to show

Protocol = Literal["answers", "tutorial"]
Encode = Callable[[Sequence[str]], Vectors]
Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FunctionEncoder:
    """Any function from texts to (n, dimension) unit vectors in the place of a bundle's encoder.

    `answers` is for models whose two sides differ. An answer is one vector: what the function cuts off is not seen.
    """

    question: Encode
    answer: Encode | None = None

    @property
    def two_sided(self) -> bool:
        """Whether there is a function of its own for answers."""
        return self.answer is not None

    def questions(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension)."""
        return np.asarray(self.question(texts), dtype=np.float32)

    def answers(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (1, dimension)."""
        return list(np.asarray((self.answer or self.question)(texts), dtype=np.float32)[:, None])


def validation(
    encoder: Encodes, ranking: Ranking, entries: Sequence[Entry], queries: Sequence[Query]
) -> dict[str, float]:
    """The ranking metrics of a model under training, `answers` protocol; nothing where no query is answerable.

    Of a model whose sides differ also the share of questions whose answer outranks their echo.
    """
    outcomes = answered(ranking, Corpus(entries, encoder), encoder, queries)
    found = metrics.summarize([places for places in outcomes.ranked if len(places)])
    if found and encoder.two_sided and outcomes.echo is not None:
        found[figures.ECHO] = float(outcomes.echo[outcomes.answerable].mean())
    return found


def evaluate(bundle: Bundle, entries: Sequence[Entry], queries: Sequence[Query], protocol: Protocol) -> Figures:
    """Figures of one bundle with their intervals, ready for JSON. Raises like `outcomes_of`."""
    return figures.with_intervals(outcomes_of(bundle, entries, queries, protocol))


def answers(bundle: Bundle, corpus: Corpus, encoder: Encodes, queries: Sequence[Query]) -> Figures:
    """The figures of the protocol `answers`, without intervals."""
    return figures.summary(answered(bundle.ranking, corpus, encoder, queries))


def outcomes_of(bundle: Bundle, entries: Sequence[Entry], queries: Sequence[Query], protocol: Protocol) -> Outcomes:
    """What becomes of each query. Raises InputError for queries that no entry of the index answers."""
    encoder = Encoder(bundle)
    if protocol == "tutorial":
        return tutorial(encoder, *_partners(entries, queries))
    return answered(bundle.ranking, Corpus(entries, encoder), encoder, queries)


def answered(ranking: Ranking, corpus: Corpus, encoder: Encodes, queries: Sequence[Query]) -> Outcomes:
    """The protocol `answers`: all entries ranked for each question, and how sure one is of the best."""
    relevant = _relevant(corpus, queries)
    texts = [query.question for query in queries]
    ranked: list[Integers] = []
    best: list[Integers] = []
    score, margin, removed = np.empty(len(texts)), np.empty(len(texts)), 0
    vectors = encoder.questions(texts)
    echo, outranked = _echoes(encoder, vectors, texts), np.zeros(len(texts), dtype=bool)
    for rows, block in corpus.blocks(vectors, texts):
        removed += block.removed
        right = [row[one].max(initial=-np.inf) for row, one in zip(block.answer, relevant[rows], strict=True)]
        outranked[rows] = np.array(right) > echo[rows]
        scores = block.scores(ranking.question_weight)
        ranked += [metrics.ranks(row, one) for row, one in zip(scores, relevant[rows], strict=True)]
        best.append(_best(scores))
        each, top = np.arange(len(scores)), best[-1][:, 0]
        score[rows], margin[rows] = scores[each, top], margins(scores, corpus.answer_ids)[each, top]
    top = np.concatenate(best) if best else np.empty((0, 1), dtype=np.int64)
    sure = ranking.calibration.confidence(score, margin)
    threshold = ranking.calibration.threshold
    return Outcomes(queries, corpus.entries, relevant, ranked, top, score, sure, threshold, removed, outranked)


def _echoes(encoder: Encodes, vectors: Vectors, texts: Sequence[str]) -> Floats:
    """How similar each question is to its own text, were that an answer, (n,)."""
    if not encoder.two_sided:
        return np.asarray((vectors * vectors).sum(axis=1), dtype=np.float32)
    pairs = zip(encoder.answers(texts), vectors, strict=True)
    return np.array([(windows @ vector).max() for windows, vector in pairs], dtype=np.float32)


def tutorial(encoder: Encodes, queries: Sequence[Query], partners: Sequence[Entry]) -> Outcomes:
    """The protocol `tutorial` over n questions and the entries with their answers."""
    asked_texts, answer_texts = [query.question for query in queries], [entry.answer for entry in partners]
    texts = [*asked_texts, *answer_texts]
    windows = encoder.answers(answer_texts)
    vectors = np.concatenate([encoder.questions(asked_texts), [one[0] for one in windows]])  # (2n, dimension)
    groups = np.tile(numbered([entry.answer for entry in partners]), 2)  # (2n,): of one answer
    same = numbered(texts)  # (2n,): of one text
    side = np.arange(len(texts)) >= len(queries)
    relevant = [np.flatnonzero((groups == groups[i]) & (side != side[i])) for i in range(len(texts))]
    ranked, best = [], []
    for start, scores in _blocks(vectors):
        scores[same[None, :] == same[start : start + len(scores), None]] = -np.inf
        ranked += [metrics.ranks(row, relevant[i]) for i, row in enumerate(scores, start=start)]
        best.append(_best(scores))
    asked = [Query(text, tags=queries[i % len(queries)].tags) for i, text in enumerate(texts)]
    metadata = [entry.metadata for entry in partners]
    entries = [Entry(id=str(i), answer=text, metadata=metadata[i % len(metadata)]) for i, text in enumerate(texts)]
    return Outcomes(asked, entries, relevant, ranked, np.concatenate(best))


def _blocks(vectors: Vectors) -> Iterator[tuple[int, Vectors]]:
    size = max(1, BLOCK_CELLS // len(vectors))
    for start in range(0, len(vectors), size):
        yield start, vectors[start : start + size] @ vectors.T


def _best(scores: Vectors) -> Integers:
    """The positions of the best few of each row, best first, ties in given order: (queries, up to TOP)."""
    left, each = scores.copy(), np.arange(len(scores))
    found = []
    for _ in range(min(TOP, scores.shape[1])):
        found.append(left.argmax(axis=1))
        left[each, found[-1]] = -np.inf
    return np.stack(found, axis=1).astype(np.int64)


def _relevant(corpus: Corpus, queries: Sequence[Query]) -> list[Integers]:
    find = resolver(corpus.entries)
    found = [() if query.unanswerable else find(query) for query in queries]
    refuse_unknown([q.question for q, one in zip(queries, found, strict=True) if not one and not q.unanswerable])
    return [corpus.relevant(one) if one else np.empty(0, dtype=np.int64) for one in found]


def _partners(entries: Sequence[Entry], queries: Sequence[Query]) -> tuple[list[Query], list[Entry]]:
    """Each answerable query and the entry with its answer: one of the index, or one made of the answer it came with."""
    find = resolver(entries)
    asked, partners = [], []
    for query in queries:
        found = [entries[i] for i in find(query)[:1]] or ([Entry(answer=query.answer)] if query.answer else [])
        asked += [query] * len(found)
        partners += found
    if not partners:
        raise InputError("No query has an answer, so there are no pairs to search for.")
    return asked, partners
