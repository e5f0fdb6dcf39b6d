"""Held-out questions asked of an index: the candidates of each, and which of them are right.

Where an entry has the question itself as a phrasing, that phrasing is removed from the candidate's vectors, words and
texts, because a user's question is rarely in the index. If its entry then has no phrasing left, all candidates are
compared by their answers only; otherwise the right entry would be the only candidate without phrasings.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from app.encoding.bundle import HeldOut
from app.encoding.encoder import Encoder
from app.index.candidates import Candidate, Question
from app.index.hits import Hits
from app.index.lookup import Match, keys_of, match_of, question_keys
from app.index.protocol import Index
from app.index.words import IdfStatistics, WordTokenizer, answer_of, text_of
from app.ranking.ranking import Features, features_of
from app.text.normalize import fold_accents, normalize

LIMIT = 30  # candidates by answer, by phrasing and by words
MIN_UNANSWERABLE = 20  # least number of questions without an answer in a sample, where there are so many
Payload = Mapping[str, Any]


class Payloads(Protocol):
    """Payloads that can be read again and again, from memory or from disk."""

    def __iter__(self) -> Iterator[Payload]:
        """All of them, from the beginning."""


class Asked(NamedTuple):
    """A question, and the ids of all entries that answer it; empty where none does."""

    question: str
    relevant: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """A question and its candidates, at least one; arrays are (candidates,)."""

    question: Question
    relevant: frozenset[str]  # the ids of all entries that answer it, candidates or not
    hits: Hits
    features: Features
    right: NDArray[np.bool_]
    bare: bool  # compared by answers only
    removed: bool  # the question was a phrasing of a candidate

    @property
    def answerable(self) -> bool:
        """Whether any entry answers it."""
        return bool(self.relevant)


def resolve(heldout: Iterable[HeldOut], payloads: Payloads) -> list[Asked]:
    """Each held-out question with the entries that answer it, or with none where it has no answer.

    The answer's text is looked for first, as another FAQ may use the same ids for other entries; then the id, which
    finds an entry whose answer was edited. All entries with the same answer are right. Questions whose entry no longer
    exists are left out. Reads the payloads twice.
    """
    questions = list(heldout)
    wanted = {item.faq_id for item in questions}
    ids = {payload["id"]: answer_of(payload) for payload in payloads if payload["id"] in wanted}
    texts: dict[str, set[str]] = {text: set() for text in (*ids.values(), *(item.answer or "" for item in questions))}
    for payload in payloads:
        if (answer := answer_of(payload)) in texts:
            texts[answer].add(payload["id"])
    resolved = []
    for item in questions:
        answers = (item.answer or "", ids.get(item.faq_id or "", ""))
        right = next((texts[answer] for answer in answers if texts.get(answer)), None)
        if item.faq_id is None and item.answer is None:
            resolved.append(Asked(item.question, frozenset()))
        elif right:
            resolved.append(Asked(item.question, frozenset(right)))
    return resolved


def sample(texts: Sequence[str], answerable: Sequence[bool], limit: int) -> list[int]:
    """The positions of at most `limit` questions, in the order of a hash of their texts.

    Questions with and without an answer are drawn in proportion to their numbers, within two bounds: at least half of
    the sample has an answer, and at least 20 questions have none, where there are that many.
    """
    order = sorted(range(len(texts)), key=lambda i: hashlib.sha256(texts[i].encode()).digest())
    with_answer = [i for i in order if answerable[i]]
    without = [i for i in order if not answerable[i]]
    if len(order) > limit:
        share = round(limit * len(without) / len(order))
        count = min(
            len(without), max(share, min(MIN_UNANSWERABLE, limit // 2)), limit - min(len(with_answer), limit // 2)
        )
        without, with_answer = without[:count], with_answer[: limit - count]
    chosen = {*with_answer, *without}
    return [i for i in order if i in chosen]


class Evaluator:
    """Asks one index. `payloads`: those of all its entries."""

    def __init__(self, index: Index, encoder: Encoder, payloads: Payloads) -> None:
        self.index = index
        self.payloads = payloads
        self._encoder = encoder

    @cached_property
    def _tokenizer(self) -> WordTokenizer:
        return WordTokenizer(self.index.record.language, self.index.record.average_length)

    @cached_property
    def _statistics(self) -> IdfStatistics:
        """Of the entries' texts. Tokenizes all of them, so it is made when it is first needed."""
        return IdfStatistics(self._tokenizer, map(text_of, self.payloads))

    @cached_property
    def _answers(self) -> IdfStatistics:
        """Of the entries' answers only."""
        return IdfStatistics(self._tokenizer, map(answer_of, self.payloads))

    async def ask(self, asked: Sequence[Asked], limit: int = LIMIT) -> list[Outcome]:
        """The outcome of each question. `limit`: candidates by answer, by phrasing and by words."""
        vectors = self._encoder.encode_queries([item.question for item in asked])
        return [
            await self._outcome(self.index.record.question(item.question, vector), item.relevant, limit)
            for item, vector in zip(asked, vectors, strict=True)
        ]

    async def _outcome(self, question: Question, relevant: frozenset[str], limit: int) -> Outcome:
        hits = await self.index.search(question, limit, {})
        right = np.array([entry_id in relevant for entry_id in hits.ids()], dtype=bool)
        same = {place for place, match in hits.matches.items() if match.same or match.folded}
        if not same:
            return Outcome(question, relevant, hits, features_of(question, hits), right, bare=False, removed=False)
        rows = zip(hits, hits.lexical.tolist(), strict=True)
        judged = [
            _Judged(entry, lexical, hits.matches.get(place, Match())) for place, (entry, lexical) in enumerate(rows)
        ]
        judged = [self._without(question, row) if place in same else row for place, row in enumerate(judged)]
        right_rows = [row for row, is_right in zip(judged, right.tolist(), strict=True) if is_right]
        bare = bool(right_rows) and not any(len(row.entry.questions) for row in right_rows)
        if bare:
            judged = [self._bare(question, row.entry) for row in judged]
        changed = _hits_of(question, judged)
        return Outcome(question, relevant, changed, features_of(question, changed), right, bare, removed=True)

    def _without(self, question: Question, row: "_Judged") -> "_Judged":
        """The entry without the phrasings that are the question."""
        payload = row.entry.payload
        text = fold_accents(normalize(question.text))
        kept = [i for i, phrasing in enumerate(payload["phrasings"]) if fold_accents(normalize(phrasing)) != text]
        canonical = "" if fold_accents(normalize(payload["question"])) == text else payload["question"]
        rest = {**payload, "question": canonical, "phrasings": [payload["phrasings"][i] for i in kept]}
        entry = row.entry._replace(payload=rest, questions=row.entry.questions[kept])
        return _Judged(entry, self._statistics.score(question.text, text_of(rest)), self._match(question, rest))

    def _bare(self, question: Question, entry: Candidate) -> "_Judged":
        """The entry without its phrasings, as a passage."""
        payload = {**entry.payload, "question": "", "phrasings": []}
        entry = entry._replace(payload=payload, questions=entry.questions[:0])
        return _Judged(entry, self._answers.score(question.text, answer_of(payload)), self._match(question, payload))

    def _match(self, question: Question, payload: Payload) -> Match:
        """How the keys of an entry with this payload match the question."""
        common = self.index.record.common_identifiers or ()
        return match_of(question_keys(question), keys_of(payload, common))


class _Judged(NamedTuple):
    entry: Candidate
    lexical: float
    match: Match


def _hits_of(question: Question, judged: Sequence[_Judged]) -> Hits:
    matches = {place: row.match for place, row in enumerate(judged) if row.match != Match()}
    lexical = np.array([row.lexical for row in judged])
    return Hits.of([row.entry for row in judged], question.vector, lexical, matches)
