"""Asks releases questions with a known answer, and compares two releases question by question."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.answering import Answerer
from app.golden.judging import Expected, Outcome, Verdict, outcome_of, verdict
from app.releases.catalog import Catalog
from app.releases.live import Live

BATCH = 32  # questions that are asked at a time

Step = Callable[[], None]  # called before each batch; may raise to stop


@dataclass(frozen=True)
class Compared:
    """What two releases answer to one question. `expected`: its entry, None where none answers it; `known`: whether
    anybody has said which entry is right."""

    question: str
    expected: str | None
    known: bool
    verdict: Verdict
    before: Outcome
    after: Outcome


async def outcomes(
    answerer: Answerer, questions: Sequence[Expected], step: Step = lambda: None, known: bool = True
) -> list[Outcome]:
    """The outcome of each question. `known`: whether their answers are. Raises IndexUnavailable."""
    results: list[Outcome] = []
    for start in range(0, len(questions), BATCH):
        step()
        batch = questions[start : start + BATCH]
        examined = await answerer.examine([item.question for item in batch])
        pairs = zip(batch, examined, strict=True)
        results += [outcome_of(ranked, reply, item if known else None) for item, (ranked, reply) in pairs]
    return results


async def compare(
    before: Answerer, after: Answerer, questions: Sequence[Expected], known: bool = True
) -> list[Compared]:
    """What two releases answer to each of the questions. Raises IndexUnavailable."""
    first, second = await outcomes(before, questions, known=known), await outcomes(after, questions, known=known)
    return [
        Compared(item.question, item.faq_id, known, verdict(one, other), one, other)
        for item, one, other in zip(questions, first, second, strict=True)
    ]


@asynccontextmanager
async def opened(catalog: Catalog, name: str, live: Live | None = None) -> AsyncIterator[Answerer]:
    """A release that answers until the block ends; the one that `live` serves is not opened twice.

    Raises NotFound, BundleError, IndexUnavailable.
    """
    if live is not None and live.release == name:
        async with live.answerer() as answerer:
            if answerer.release == name:
                yield answerer
                return
    answerer = await catalog.open(name, threads=1)
    try:
        yield answerer
    finally:
        await answerer.close()
