"""Evaluation of a bundle with the index and the ranking of the service, by one of two protocols.

answers    searches an index of all entries for each question, as the service does. All entries with the right answer
           are relevant. A phrasing that is the question itself is removed for that question and counted.
tutorial   searches all questions and answers for each question and each answer, itself excluded; the other half of the
           pair is relevant (the protocol of the Quaterion tutorial). A pair counts once, as the mean of its two sides.

A model in training is evaluated by meaning alone, in blocks of questions. Only the ranks of the relevant entries and
the best few entries of each question are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.arrays import Integers, Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.ranking.decision import Case, decide
from app.ranking.heldout import Asked, Outcome
from app.ranking.ranked import Ranked
from app.ranking.ranking import Ranking
from trainer.data.training_set import refuse_unknown, resolver
from trainer.evaluation import figures, metrics
from trainer.evaluation.corpus import BLOCK_CELLS, Corpus, Encodes, numbered
from trainer.evaluation.figures import Figures, Outcomes
from trainer.evaluation.served import Served, served

TOP = 3  # entries of each ranking that are kept for display
CANDIDATES = 100  # of each kind that the index returns; entries below them count as last

Protocol = Literal["answers", "tutorial"]
Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class FunctionEncoder:
    """An encoder made of functions from texts to unit vectors, (n, dimension).

    `answer` is for models with an encoder of its own for answers. Each answer is one window, cut where the function
    cuts it.
    """

    question: Encode
    answer: Encode | None = None

    @property
    def two_sided(self) -> bool:
        """Whether answers have a function of their own."""
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
    """The mean ranking metrics of a model by meaning alone; empty where no query is answerable.

    For a two-sided model also the share of questions whose answer is nearer than the question's own text.
    """
    outcomes = dense(question_weight, Corpus(entries, encoder), encoder, queries)
    means = metrics.summarize([places for places in outcomes.ranked if len(places)])
    if means and outcomes.echo is not None:
        means[figures.ECHO] = float(outcomes.echo[outcomes.answerable].mean())
    return means


def evaluate(bundle: Bundle, entries: Sequence[Entry], queries: Sequence[Query], protocol: Protocol) -> Figures:
    """The figures of a bundle with their intervals, ready for JSON. Raises InputError, as `outcomes_of` does."""
    return figures.with_intervals(outcomes_of(bundle, entries, queries, protocol))


def outcomes_of(bundle: Bundle, entries: Sequence[Entry], queries: Sequence[Query], protocol: Protocol) -> Outcomes:
    """The outcome of each query. Raises InputError for queries whose entry or answer is not in the index."""
    encoder = Encoder(bundle)
    if protocol == "tutorial":
        return tutorial(encoder, *_partners(entries, queries))
    with served(bundle, entries, encoder) as index:
        return answered(index, index.ranking(bundle), queries)


def answered(index: Served, ranking: Ranking, queries: Sequence[Query]) -> Outcomes:
    """The outcomes by the protocol `answers`."""
    entries = sorted(index.entries, key=lambda entry: entry.id)
    position = {entry.id: i for i, entry in enumerate(entries)}
    relevant = _relevant(entries, queries)
    ids = [frozenset(entries[i].id for i in positions) for positions in relevant]
    asked = [Asked(query.question, right) for query, right in zip(queries, ids, strict=True)]
    results = index.ask(asked, CANDIDATES)
    rankings = [ranking.rank(result.question, result.hits) for result in results]
    order = [
        np.array([position[entry_id] for entry_id in ranked.ids()]) for ranked in rankings
    ]  # positions, best first
    few = min(TOP, len(entries))
    return Outcomes(
        queries,
        entries,
        relevant,
        [_places(best, right, len(entries)) for best, right in zip(order, relevant, strict=True)],
        np.stack([best[:few] for best in order]) if order else np.empty((0, 1), dtype=np.int64),
        np.array([ranked.scores[0] for ranked in rankings]),
        np.array([ranked.confidences[0] for ranked in rankings]),
        ranking.calibration.threshold,
        [_case(best, ranking, right) for best, right in zip(rankings, ids, strict=True)],
        sum(result.removed for result in results),
        _outranks_echo(index.encoder, results),
    )


def _case(ranked: Ranked, ranking: Ranking, right: frozenset[str]) -> Case:
    status, shown = decide(ranked, 1, ranking.calibration)
    return Case(status, [entry_id in right for entry_id in ranked.take(shown).ids()], bool(right))


def _places(best_first: Integers, relevant: Integers, entries: int) -> Integers:
    """The ranks of the relevant positions, ascending; those that the index did not return come last."""
    places = np.flatnonzero(np.isin(best_first, relevant)) + 1
    missing = len(relevant) - len(places)
    return np.concatenate([places, np.arange(entries - missing, entries) + 1]).astype(np.int64)


def dense(question_weight: float, corpus: Corpus, encoder: Encodes, queries: Sequence[Query]) -> Outcomes:
    """The outcomes of an exact ranking of all entries by meaning alone: for a model that is not a bundle yet."""
    relevant = _relevant(corpus.entries, queries)
    texts = [query.question for query in queries]
    ranked: list[Integers] = []
    best: list[Integers] = []
    removed, right = 0, np.full(len(texts), -np.inf)  # right: cosine of the nearest right answer
    vectors = encoder.encode_queries(texts)
    for rows, block in corpus.blocks(vectors, texts):
        removed += block.removed
        right[rows] = [row[of].max(initial=-np.inf) for row, of in zip(block.answer, relevant[rows], strict=True)]
        scores = block.scores(question_weight)
        ranked += [metrics.ranks(row, of) for row, of in zip(scores, relevant[rows], strict=True)]
        best.append(_best(scores))
    top = np.concatenate(best) if best else np.empty((0, 1), dtype=np.int64)
    echo = right > _echoes(encoder, vectors, texts) if encoder.two_sided else None
    return Outcomes(queries, corpus.entries, relevant, ranked, top, removed=removed, echo=echo)


def _outranks_echo(encoder: Encodes, results: Sequence[Outcome]) -> NDArray[np.bool_]:
    """For which questions a right answer is nearer than the question's own text, encoded as an answer, (n,)."""
    vectors = np.array([result.question.vector for result in results])
    right = [result.features.answer[result.right].max(initial=-np.inf) for result in results]
    return np.array(right) > _echoes(encoder, vectors, [result.question.text for result in results])


def _echoes(encoder: Encodes, vectors: Vectors, texts: Sequence[str]) -> Vectors:
    """The cosine of each question with its own text, encoded as an answer, (n,)."""
    if not encoder.two_sided:
        return np.asarray((vectors * vectors).sum(axis=-1), dtype=np.float32)
    pairs = zip(encoder.encode_documents(texts), vectors, strict=True)
    return np.array([(windows @ vector).max() for windows, vector in pairs], dtype=np.float32)


def tutorial(encoder: Encodes, queries: Sequence[Query], partners: Sequence[Entry]) -> Outcomes:
    """The outcomes by the protocol `tutorial` of n questions and the entries with their answers, 2n queries."""
    asked_texts, answer_texts = [query.question for query in queries], [entry.plain_answer for entry in partners]
    texts = [*asked_texts, *answer_texts]
    windows = encoder.encode_documents(answer_texts)
    vectors = np.concatenate(
        [encoder.encode_queries(asked_texts), [vectors[0] for vectors in windows]]
    )  # (2n, dimension)
    groups = np.tile(numbered([entry.plain_answer for entry in partners]), 2)  # (2n,): equal for equal answers
    same = numbered(texts)  # (2n,): equal for equal texts
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
    """The positions of the best entries of each row, best first, (queries, up to TOP); ties keep their order."""
    remaining, rows = scores.copy(), np.arange(len(scores))
    best = []
    for _ in range(min(TOP, scores.shape[1])):  # faster than sorting whole rows
        best.append(remaining.argmax(axis=1))
        remaining[rows, best[-1]] = -np.inf
    return np.stack(best, axis=1).astype(np.int64)


def _relevant(entries: Sequence[Entry], queries: Sequence[Query]) -> list[Integers]:
    """The positions of all entries with the right answer of each query. Raises InputError for an unknown entry."""
    find = resolver(entries)
    named = [() if query.unanswerable else find(query) for query in queries]
    refuse_unknown(
        [query.question for query, of in zip(queries, named, strict=True) if not of and not query.unanswerable]
    )
    answers = numbered([entry.plain_answer for entry in entries])
    return [np.flatnonzero(np.isin(answers, answers[list(positions)])) for positions in named]


def _partners(entries: Sequence[Entry], queries: Sequence[Query]) -> tuple[list[Query], list[Entry]]:
    """The answerable queries, and for each the entry with its answer: of the index, or made of the query's answer."""
    find = resolver(entries)
    asked, partners = [], []
    for query in queries:
        partner = [entries[i] for i in find(query)[:1]] or ([Entry(answer=query.answer)] if query.answer else [])
        asked += [query] * len(partner)
        partners += partner
    if not partners:
        raise InputError("There are no pairs to search for: no query has a `faq_id`, an `answer` or a `label`.")
    return asked, partners
