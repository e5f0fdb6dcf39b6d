"""How good a model is, measured with the index and the ranking that serve it.

answers    each question asked of an index of all entries, as the service would ask it. Every entry with an identical
           answer is relevant. A question that stands in the index as a phrasing has that phrasing removed, and is
           counted.
tutorial   every question and answer is searched among all questions and answers, itself excluded; its partner is
           relevant (the Quaterion tutorial's protocol). A pair counts once, as the mean of its two sides.

A model under training is measured by meaning alone, in blocks of questions. Of each question only the places of what
is relevant and the best few entries are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.errors import InputError
from app.knowledge.entry import Entry
from app.ranking.decision import Case, decide
from app.ranking.heldout import Asked, Outcome
from app.ranking.ranking import Ranked, Ranking
from trainer.data.queries import Query
from trainer.data.training_set import refuse_unknown, resolver
from trainer.evaluation import figures, metrics
from trainer.evaluation.corpus import BLOCK_CELLS, Corpus, Encodes, numbered
from trainer.evaluation.figures import Figures, Outcomes
from trainer.evaluation.served import Served, served

TOP = 3  # entries kept of each ranking, to show
CANDIDATES = 100  # of each kind; what stands lower counts as last

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

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension)."""
        return np.asarray(self.question(texts), dtype=np.float32)

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (1, dimension)."""
        return list(np.asarray((self.answer or self.question)(texts), dtype=np.float32)[:, None])


def validation(
    encoder: Encodes, question_weight: float, entries: Sequence[Entry], queries: Sequence[Query]
) -> dict[str, float]:
    """The ranking metrics of a model, by meaning alone; nothing where no query is answerable.

    Of a model whose sides differ also the share of questions whose answer outranks their echo.
    """
    outcomes = dense(question_weight, Corpus(entries, encoder), encoder, queries)
    found = metrics.summarize([places for places in outcomes.ranked if len(places)])
    if found and outcomes.echo is not None:
        found[figures.ECHO] = float(outcomes.echo[outcomes.answerable].mean())
    return found


def evaluate(bundle: Bundle, entries: Sequence[Entry], queries: Sequence[Query], protocol: Protocol) -> Figures:
    """Figures of one bundle with their intervals, ready for JSON. Raises like `outcomes_of`."""
    return figures.with_intervals(outcomes_of(bundle, entries, queries, protocol))


def outcomes_of(bundle: Bundle, entries: Sequence[Entry], queries: Sequence[Query], protocol: Protocol) -> Outcomes:
    """What becomes of each query. Raises InputError for queries that no entry of the index answers."""
    encoder = Encoder(bundle)
    if protocol == "tutorial":
        return tutorial(encoder, *_partners(entries, queries))
    with served(bundle, entries, encoder) as index:
        return answered(index, index.ranking(bundle), queries)


def answered(index: Served, ranking: Ranking, queries: Sequence[Query]) -> Outcomes:
    """The protocol `answers`: each question asked of the index, and how sure one is of the best."""
    entries = sorted(index.entries, key=lambda entry: entry.id)
    position = {entry.id: i for i, entry in enumerate(entries)}
    relevant = _relevant(entries, queries)
    ids = [frozenset(entries[i].id for i in one) for one in relevant]
    found = index.ask([Asked(query.question, one) for query, one in zip(queries, ids, strict=True)], CANDIDATES)
    rankings = [ranking.rank(one.question, one.candidates) for one in found]
    order = [np.array([position[one.candidate.id] for one in best]) for best in rankings]  # positions, best first
    few = min(TOP, len(entries))
    return Outcomes(
        queries,
        entries,
        relevant,
        [_places(best, right, len(entries)) for best, right in zip(order, relevant, strict=True)],
        np.stack([best[:few] for best in order]) if order else np.empty((0, 1), dtype=np.int64),
        np.array([best[0].score for best in rankings]),
        np.array([best[0].confidence for best in rankings]),
        ranking.calibration.threshold,
        [_case(best, ranking, right) for best, right in zip(rankings, ids, strict=True)],
        sum(one.removed for one in found),
        _outranked(index.encoder, found),
    )


def _case(ranked: Sequence[Ranked], ranking: Ranking, right: frozenset[str]) -> Case:
    status, shown = decide(ranked, 1, ranking.calibration)
    return Case(status, [ranked[position].candidate.id in right for position in shown], bool(right))


def _places(best_first: Integers, relevant: Integers, entries: int) -> Integers:
    """The places of what is relevant, ascending; what the index did not bring stands last of all."""
    places = np.flatnonzero(np.isin(best_first, relevant)) + 1
    missing = len(relevant) - len(places)
    return np.concatenate([places, np.arange(entries - missing, entries) + 1]).astype(np.int64)


def dense(question_weight: float, corpus: Corpus, encoder: Encodes, queries: Sequence[Query]) -> Outcomes:
    """All entries ranked for each question by meaning alone, exactly: for a model that is not a bundle yet."""
    relevant = _relevant(corpus.entries, queries)
    texts = [query.question for query in queries]
    ranked: list[Integers] = []
    best: list[Integers] = []
    removed, right = 0, np.full(len(texts), -np.inf)  # right: how near the nearest right answer is
    vectors = encoder.encode_queries(texts)
    for rows, block in corpus.blocks(vectors, texts):
        removed += block.removed
        right[rows] = [row[one].max(initial=-np.inf) for row, one in zip(block.answer, relevant[rows], strict=True)]
        scores = block.scores(question_weight)
        ranked += [metrics.ranks(row, one) for row, one in zip(scores, relevant[rows], strict=True)]
        best.append(_best(scores))
    top = np.concatenate(best) if best else np.empty((0, 1), dtype=np.int64)
    echo = right > _echoes(encoder, vectors, texts) if encoder.two_sided else None
    return Outcomes(queries, corpus.entries, relevant, ranked, top, removed=removed, echo=echo)


def _outranked(encoder: Encodes, found: Sequence[Outcome]) -> NDArray[np.bool_]:
    """Where a right answer is nearer to the question than the question's own text would be, were it one, (n,)."""
    vectors = np.array([one.question.vector for one in found])
    right = [one.features.answer[one.right].max(initial=-np.inf) for one in found]
    return np.array(right) > _echoes(encoder, vectors, [one.question.text for one in found])


def _echoes(encoder: Encodes, vectors: Vectors, texts: Sequence[str]) -> Vectors:
    """How similar each question is to its own text, were that an answer, (n,)."""
    if not encoder.two_sided:
        return np.asarray((vectors * vectors).sum(axis=-1), dtype=np.float32)
    pairs = zip(encoder.encode_documents(texts), vectors, strict=True)
    return np.array([(windows @ vector).max() for windows, vector in pairs], dtype=np.float32)


def tutorial(encoder: Encodes, queries: Sequence[Query], partners: Sequence[Entry]) -> Outcomes:
    """The protocol `tutorial` over n questions and the entries with their answers."""
    asked_texts, answer_texts = [query.question for query in queries], [entry.plain_answer for entry in partners]
    texts = [*asked_texts, *answer_texts]
    windows = encoder.encode_documents(answer_texts)
    vectors = np.concatenate([encoder.encode_queries(asked_texts), [one[0] for one in windows]])  # (2n, dimension)
    groups = np.tile(numbered([entry.plain_answer for entry in partners]), 2)  # (2n,): of one answer
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
    return Outcomes(asked, entries, relevant, ranked, np.concatenate(best), groups=groups, sides=2)


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


def _relevant(entries: Sequence[Entry], queries: Sequence[Query]) -> list[Integers]:
    """The positions of all entries that answer each query; those with an identical answer do too."""
    find = resolver(entries)
    found = [() if query.unanswerable else find(query) for query in queries]
    refuse_unknown([q.question for q, one in zip(queries, found, strict=True) if not one and not q.unanswerable])
    ids = numbered([entry.plain_answer for entry in entries])
    same: dict[int, list[int]] = {}
    for i, one in enumerate(ids.tolist()):
        same.setdefault(one, []).append(i)
    every = [sorted({i for one in some for i in same[int(ids[one])]}) for some in found]
    return [np.array(one, dtype=np.int64) for one in every]


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
