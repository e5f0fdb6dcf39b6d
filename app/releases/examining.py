"""Asks releases questions with a known answer, and compares two releases question by question."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from app.answering import Answerer
from app.arrays import Vectors
from app.golden.judging import FIRST, Expected, Outcome, Verdict, outcome_of, verdict
from app.releases.catalog import Catalog, Loaded
from app.releases.live import Live

BATCH = 32  # questions that are asked at a time
REMEMBERED = 2  # releases
_COMPARING = asyncio.Semaphore(1)

Step = Callable[[], None]  # called before each batch; may raise to stop


class Examiner:
    """Asks questions, and remembers the outcomes of the latest releases and the vectors of the questions."""

    def __init__(self) -> None:
        self._outcomes: dict[str, dict[Expected, Outcome]] = {}
        self._vectors: dict[str, Vectors] = {}  # of the questions, (dimension,) each
        self._bundle = ""  # the revision of the bundle that made them

    async def outcomes(
        self, answerer: Answerer, questions: Sequence[Expected], step: Step = lambda: None, known: bool = True
    ) -> list[Outcome]:
        """The outcome of each question. `known`: whether anybody has said which entry is right.

        Raises IndexUnavailable.
        """
        results: list[Outcome] = []
        for start in range(0, len(questions), BATCH):
            step()
            batch = questions[start : start + BATCH]
            examined = await answerer.examine([item.question for item in batch])
            results += [outcome_of(*each, item if known else None) for item, each in zip(batch, examined, strict=True)]
        return results

    async def affected(
        self,
        answerer: Answerer,
        questions: Sequence[Expected],
        before: Sequence[Outcome],
        changed: Collection[str],
        step: Step = lambda: None,
    ) -> list[int]:
        """The positions of the questions whose outcome may differ from `before`, that of the release before an
        increment which changed some entries.

        These are the ones whose first candidates are other entries, or hold a changed entry, or are expected to.
        Raises IndexUnavailable.
        """
        positions: list[int] = []
        for start in range(0, len(questions), BATCH):
            step()
            texts = [item.question for item in questions[start : start + BATCH]]
            nearest = await answerer.nearest(texts, await self._encoded(answerer, texts), FIRST)
            for position, ids in enumerate(nearest, start):
                concerned = {*ids, questions[position].faq_id}
                if ids != before[position].nearest or not concerned.isdisjoint(changed):
                    positions.append(position)
        return positions

    def remember(self, release: str, questions: Sequence[Expected], outcomes: Sequence[Outcome]) -> None:
        """Keep the outcomes of a release, and of the one that was kept before it."""
        self._outcomes.pop(release, None)
        self._outcomes[release] = dict(zip(questions, outcomes, strict=True))
        for name in list(self._outcomes)[:-REMEMBERED]:
            del self._outcomes[name]

    def remembered(self, release: str, questions: Sequence[Expected]) -> list[Outcome] | None:
        """The outcomes of a release; None unless they are kept for each of the questions."""
        kept = self._outcomes.get(release, {})
        outcomes = [kept[item] for item in questions if item in kept]
        return outcomes if len(outcomes) == len(questions) else None

    async def _encoded(self, answerer: Answerer, texts: Sequence[str]) -> Vectors:
        """(n, dimension); each text is encoded once with a bundle."""
        if self._bundle != answerer.bundle.revision:
            self._bundle, self._vectors = answerer.bundle.revision, {}
        missing = [text for text in texts if text not in self._vectors]
        if missing:
            self._vectors |= dict(zip(missing, await answerer.encode(missing), strict=True))
        return np.stack([self._vectors[text] for text in texts])


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


async def compare(
    before: Answerer, after: Answerer, questions: Sequence[Expected], known: bool = True
) -> list[Compared]:
    """What two releases answer to each of the questions. Raises IndexUnavailable."""
    examiner = Examiner()
    first = await examiner.outcomes(before, questions, known=known)
    second = await examiner.outcomes(after, questions, known=known)
    return [
        Compared(item.question, item.faq_id, known, verdict(*pair), *pair)
        for item, *pair in zip(questions, first, second, strict=True)
    ]


async def compare_releases(
    catalog: Catalog, live: Live, before: str, after: str, questions: Sequence[Expected], *, known: bool = True
) -> list[Compared]:
    """What two releases answer to each of the questions, one comparison at a time: each opens releases and takes an
    encoder's time from askers. Raises NotFound, BundleError, IndexUnavailable."""
    async with _COMPARING, opened(catalog, before, live) as first, opened(catalog, after, live) as second:
        return await compare(first, second, questions, known=known)


@asynccontextmanager
async def opened(
    catalog: Catalog, name: str, live: Live | None = None, loaded: Loaded | None = None
) -> AsyncIterator[Answerer]:
    """A release that answers until the block ends; the one that `live` serves is not opened twice, and what is
    `loaded` of its bundle is shared.

    Raises NotFound, BundleError, IndexUnavailable.
    """
    if live is not None and live.release == name:
        async with live.answerer() as answerer:
            if answerer.release == name:
                yield answerer
                return
    answerer = await catalog.open(name, threads=1, loaded=loaded)
    try:
        yield answerer
    finally:
        await answerer.close()
