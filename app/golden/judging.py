"""What releases answer to golden questions: right or wrong, and which of two releases answers better. Pure functions.

An outcome is judged by the reply that `/v1/ask` gives without options. It is right where the expected entry is the
first answer, or is among the answers offered (`ambiguous`); an entry with the same answer is as good. Where no entry is
expected, `no_answer` is right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from app.index.hits import Payload
from app.ranking.decision import Status
from app.ranking.ranked import Ranked
from app.replies import Reply

FIRST = 5  # candidates of a question by which a change of its outcome is noticed

Verdict = Literal["better", "worse", "changed", "same"]


class Expected(NamedTuple):
    """A question, and the entry that answers it; None: no entry does."""

    question: str
    faq_id: str | None


@dataclass(frozen=True)
class Outcome:
    """What a release answers to a question.

    `shown`: the entries of the answer or offer, best first; `confidence`: of the best entry, shown or not; `right`:
    None for a question without a known answer. `nearest`: the best FIRST candidates before reranking. `best_right`:
    whether the best entry answers the question; `unanswerable`: the probability that none does, at the stated share, 0
    where the confidence does not depend on it.
    """

    status: Status
    shown: tuple[str, ...]
    confidence: float
    right: bool | None
    nearest: tuple[str, ...]
    best_right: bool = False
    unanswerable: float = 0.0

    @property
    def answer(self) -> str | None:
        """The entry that is the answer, or the first of those offered."""
        return self.shown[0] if self.shown else None


class Missed(NamedTuple):
    """A golden question that a release answers wrong, and why it counts or not."""

    question: str
    expected: str | None
    before: str | None  # the entry that the live release answers with
    after: str | None
    status: Status
    confidence: float
    reason: str  # for a question that is not counted: what became of its entry

    def document(self) -> dict[str, Any]:
        """In JSON values."""
        return self._asdict()


@dataclass(frozen=True)
class Judged:
    """A release measured on golden questions. `asked`: how many were really asked; the others cannot have changed.

    `broken`: right in the live release and wrong here; `waived`: the same, but the expected entry was archived or
    removed, so they do not count; `fixed`: how many are right here and were wrong; `wrong`: all that are wrong here.
    """

    questions: int
    asked: int
    right: int
    broken: Sequence[Missed]
    waived: Sequence[Missed]
    fixed: int
    wrong: Sequence[Missed]


def outcome_of(nearest: Sequence[str], ranked: Ranked, reply: Reply, expected: Expected | None) -> Outcome:
    """The outcome of a question from its candidates and its reply. `expected` is None for an unknown answer."""
    payloads = ranked.payloads()
    return Outcome(
        status=reply.status,
        shown=tuple(answer.id for answer in reply.answers),
        confidence=float(ranked.confidences[0]) if len(ranked) else 0.0,
        right=None if expected is None else _is_right(payloads, reply, expected.faq_id),
        nearest=tuple(nearest[:FIRST]),
        best_right=_best_answers(payloads, expected),
        unanswerable=0.0 if ranked.reranked else ranked.unanswerable,
    )


def _answers(ranked: Sequence[Payload], entry_id: str, answer: str, faq_id: str | None) -> bool:
    """Whether an entry is the expected one, or has the same answer."""
    texts = {payload["answer"] for payload in ranked if payload["id"] == faq_id}
    return entry_id == faq_id or answer in texts


def _best_answers(ranked: Sequence[Payload], expected: Expected | None) -> bool:
    """Whether the best entry answers the question; False where no answer is known."""
    if not ranked or expected is None:
        return False
    return _answers(ranked, ranked[0]["id"], ranked[0]["answer"], expected.faq_id)


def _is_right(ranked: Sequence[Payload], reply: Reply, faq_id: str | None) -> bool:
    if faq_id is None:
        return reply.status == "no_answer"
    judged = reply.answers[:1] if reply.status == "answered" else reply.answers
    return any(_answers(ranked, answer.id, answer.answer, faq_id) for answer in judged)


def judge(
    expected: Sequence[Expected],
    live: Sequence[Outcome] | None,
    candidate: Sequence[Outcome],
    gone: dict[str, str],
    asked: int | None = None,
) -> Judged:
    """A candidate's outcomes against those of the live release, in the order of the questions.

    `live` is None where nothing is live: then nothing can break. `gone`: expected entries that the candidate does not
    hold, and what became of each.
    """
    pairs = list(zip(expected, live or candidate, candidate, strict=True))
    lost = [_missed(*pair, gone.get(pair[0].faq_id or "", "")) for pair in pairs if pair[1].right and not pair[2].right]
    return Judged(
        questions=len(expected),
        asked=len(expected) if asked is None else asked,
        right=sum(bool(outcome.right) for outcome in candidate),
        broken=[missed for missed in lost if not missed.reason],
        waived=[missed for missed in lost if missed.reason],
        fixed=sum(bool(after.right and not before.right) for _, before, after in pairs),
        wrong=[_missed(*pair, "") for pair in pairs if not pair[2].right],
    )


def _missed(item: Expected, before: Outcome, after: Outcome, reason: str) -> Missed:
    confidence = round(after.confidence, 4)
    return Missed(item.question, item.faq_id, before.answer, after.answer, after.status, confidence, reason)


def verdict(before: Outcome, after: Outcome) -> Verdict:
    """Which of two outcomes of one question is better; `changed`: another reply, as good or as bad as far as known."""
    if before.right is not None and before.right != after.right:
        return "better" if after.right else "worse"
    return "same" if (before.status, before.shown) == (after.status, after.shown) else "changed"


def lines_of(missed: Iterable[Missed]) -> list[str]:
    """A line for each question: the question, the expected entry and what is answered instead."""
    return [f"“{m.question}”: expected {_entry(m.expected)}, gets {_entry(m.after)} ({m.status})" for m in missed]


def _entry(faq_id: str | None) -> str:
    return f"`{faq_id}`" if faq_id else "no answer"
