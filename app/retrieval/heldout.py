"""Held-out questions, asked of an index as a user's would be: what its candidates are, and which of them are right.

An index may hold the very question as a phrasing, which no user's question could count on: it is left out, from the
candidate's vectors, words and texts. A question whose entry then has no phrasing left is compared with answers
alone, all entries being passages to it: otherwise its own entry would be the only one that no phrasing speaks for.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.retrieval.bundle import HeldOut
from app.retrieval.encoder import Encoder
from app.retrieval.index import Index
from app.retrieval.lexical import Analyser, Lexicon, answer_of, text_of
from app.retrieval.lookup import keys_of, match_of, question_keys
from app.retrieval.matching import Match
from app.retrieval.normalize import fold_accents, normalize
from app.retrieval.ranking import Candidate, Features, Question, features_of

LIMIT = 30  # candidates of each kind
MIN_UNANSWERABLE = 20  # questions without an answer that a sample keeps at least, where it has so many
Payload = Mapping[str, Any]


class Asked(NamedTuple):
    """A question, and the ids of all entries that answer it; none: nothing does."""

    question: str
    relevant: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """One question's candidates, (n,) all, at least one."""

    question: Question
    relevant: frozenset[str]  # the ids of all entries that answer it, found or not
    candidates: Sequence[Candidate]
    features: Features
    right: NDArray[np.bool_]
    bare: bool  # compared with answers alone
    removed: bool  # the index held the question as a phrasing

    @property
    def answerable(self) -> bool:
        """Whether any entry answers it."""
        return bool(self.relevant)

    @property
    def answers(self) -> list[str]:
        """The text that each candidate answers with, without markup."""
        return [answer_of(one.payload) for one in self.candidates]


def resolve(heldout: Iterable[HeldOut], payloads: Sequence[Payload]) -> list[Asked]:
    """The questions that something in the knowledge answers, by the same text or by id, and those that nothing does.

    The text comes first: another FAQ may give the same ids to other entries. By its id an entry is found whose answer
    was edited. Entries with one and the same answer are right together. A question whose entry is gone is left out.
    """
    ids = {payload["id"]: answer_of(payload) for payload in payloads}
    texts: dict[str, set[str]] = {}
    for payload in payloads:
        texts.setdefault(answer_of(payload), set()).add(payload["id"])
    found = []
    for one in heldout:
        answer = one.answer if one.answer in texts else ids.get(one.faq_id or "")
        if one.faq_id is None and one.answer is None:
            found.append(Asked(one.question, frozenset()))
        elif answer in texts:
            found.append(Asked(one.question, frozenset(texts[answer])))
    return found


def sample(texts: Sequence[str], answerable: Sequence[bool], limit: int) -> list[int]:
    """The positions of at most `limit` questions, in the order of a hash of their texts.

    Questions with and without an answer are drawn in proportion to their numbers, but for two bounds: at least half of
    the sample has an answer, and at least 20 questions have none, where there are so many.
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


class Examiner:
    """Asks one index. `payloads` are all that it holds."""

    def __init__(self, index: Index, encoder: Encoder, payloads: Sequence[Payload]) -> None:
        self.index = index
        self.payloads = payloads
        self._encoder = encoder

    @cached_property
    def _analyser(self) -> Analyser:
        return Analyser(self.index.record.language, self.index.record.average_length)

    @cached_property
    def _lexicon(self) -> Lexicon:
        """Of the entries as they are; all of them are read for it, so not before a question needs it."""
        return Lexicon(self._analyser, [text_of(payload) for payload in self.payloads])

    @cached_property
    def _answers(self) -> Lexicon:
        """Of the entries as passages, likewise."""
        return Lexicon(self._analyser, [answer_of(payload) for payload in self.payloads])

    async def ask(self, asked: Sequence[Asked], limit: int = LIMIT) -> list[Outcome]:
        """What becomes of each question; `limit` candidates of each kind."""
        texts = [one.question for one in asked]
        vectors = self._encoder.questions(texts)
        return [
            await self._outcome(self.index.record.question(one.question, vector), one.relevant, limit)
            for one, vector in zip(asked, vectors, strict=True)
        ]

    async def _outcome(self, question: Question, relevant: frozenset[str], limit: int) -> Outcome:
        found = await self.index.search(question, limit, {})
        candidates = [self._without(question, one) for one in found]
        removed = any(one is not before for one, before in zip(candidates, found, strict=True))
        right = np.array([one.id in relevant for one in candidates], dtype=bool)
        own = [one for one, flag in zip(candidates, right, strict=True) if flag]
        bare = removed and bool(own) and not any(len(one.questions) for one in own)
        if bare:
            candidates = [self._bare(question, one) for one in candidates]
        return Outcome(question, relevant, candidates, features_of(question, candidates), right, bare, removed)

    def _without(self, question: Question, candidate: Candidate) -> Candidate:
        """The candidate without the question among its phrasings."""
        payload = candidate.payload
        if not (candidate.match.same or candidate.match.folded):
            return candidate
        text = fold_accents(normalize(question.text))
        kept = [i for i, phrasing in enumerate(payload["phrasings"]) if fold_accents(normalize(phrasing)) != text]
        canonical = "" if fold_accents(normalize(payload["question"])) == text else payload["question"]
        rest = {**payload, "question": canonical, "phrasings": [payload["phrasings"][i] for i in kept]}
        lexical = self._lexicon.score(question.text, text_of(rest))
        return candidate._replace(
            payload=rest, questions=candidate.questions[kept], lexical=lexical, match=self._match(question, rest)
        )

    def _bare(self, question: Question, candidate: Candidate) -> Candidate:
        """The candidate as a passage."""
        lexical = self._answers.score(question.text, answer_of(candidate.payload))
        payload = {**candidate.payload, "question": "", "phrasings": []}
        return candidate._replace(
            payload=payload,
            questions=candidate.questions[:0],
            lexical=lexical,
            match=self._match(question, payload),
        )

    def _match(self, question: Question, payload: Payload) -> Match:
        """How the keys of an entry with this payload match the question."""
        common = self.index.record.common_identifiers or ()
        return match_of(question_keys(question), keys_of(payload, common))
