"""The gate: a release is measured on the golden questions before it is activated, and blocked where it breaks them."""

import asyncio
import copy
import logging
import time
from collections.abc import Collection, Sequence

from app.errors import Blocked, FaqError, NotReady
from app.golden.adapting import ShareJudged, judge_share
from app.golden.judging import Expected, Judged, Missed, Outcome, judge, lines_of
from app.golden.questions import GoldenStore
from app.golden.runs import RunOutcome, Runs
from app.golden.waiving import reasons
from app.jobs.jobs import Canceled
from app.knowledge.database import Database
from app.knowledge.patience import patiently
from app.releases.catalog import Catalog, Loaded
from app.releases.examining import Examiner, Step, opened

SHOWN = 10  # broken questions that the error names; the run holds all of them
KEPT = 2  # blocked releases that stay for an override, the latest ones

logger = logging.getLogger(__name__)


class Gate:
    """Measures releases before they are activated. It reads and writes the database, and never the releases.

    One that lives on remembers what the live release answers, so that increments ask few questions.
    """

    def __init__(self, database: Database, max_broken: int) -> None:
        """`max_broken`: how many golden questions a release may break."""
        self._database = database
        self._golden = GoldenStore(database)
        self._runs = Runs(database)
        self._max_broken = max_broken
        self._override_by: str | None = None
        self._examiner = Examiner()

    def overridden(self, by: str | None) -> "Gate":
        """The same gate, through which `by` lets every release pass; None: nobody does."""
        gate = copy.copy(self)
        gate._override_by = by
        return gate

    async def check(
        self,
        catalog: Catalog,
        name: str,
        step: Step = lambda: None,
        changed: Collection[str] | None = None,
        loaded: Loaded | None = None,
    ) -> Blocked | None:
        """Measure a release and keep the run. Returns the error to raise where it may not be activated.

        The active release, and any release where there are no golden questions, pass unmeasured. `step` is called
        between questions and may raise. `changed`: the entries in which the release, an increment, differs from the
        active one; only questions that these can affect are asked. `loaded`: a bundle in memory, to share.
        Raises IndexUnavailable, StoreError.
        """
        active = await catalog.active()
        questions = await self._questions()
        if name == active or not questions:
            return None
        start = time.perf_counter()
        judged = await self._judged(catalog, active, name, questions, step, changed, loaded)
        blocked = len(judged.broken) > self._max_broken
        outcome: RunOutcome = "passed" if not blocked else "overridden" if self._override_by else "blocked"
        await self._record(name, active, judged, outcome, start)
        for line in lines_of(judged.broken[:SHOWN]):
            logger.info("%s breaks a golden question: %s", name, line)
        return blocked_error(name, judged.broken, self._max_broken) if outcome == "blocked" else None

    async def measure(self, catalog: Catalog, name: str) -> Judged:
        """Measure a release without deciding about it, against the live one, and keep the run.

        Raises NotReady without golden questions, NotFound, BundleError, IndexUnavailable, StoreError.
        """
        questions = await self._questions()
        if not questions:
            raise NotReady("There are no golden questions. Add some first: `python -m app golden import FILE`.")
        active, start = await catalog.active(), time.perf_counter()
        against = None if active == name else active
        judged = await self._judged(catalog, against, name, questions)
        await self._record(name, against, judged, "measured", start)
        return judged

    async def judge_share(self, catalog: Catalog, name: str) -> ShareJudged | None:
        """Whether the estimated share of unanswerable questions suits the golden questions, of a release that was just
        measured. None where nothing was asked of it, or no share is estimated."""
        outcomes = self._examiner.remembered(name, await self._questions())
        release = next((release for release in await catalog.releases() if release.record.name == name), None)
        if outcomes is None or release is None or release.estimate is None or not release.estimate.questions:
            return None
        calibration = release.calibrated.calibration if release.calibrated else None
        if calibration is None or calibration.unanswerable is None:
            return None
        return judge_share(outcomes, calibration.unanswerable.share, release.estimate.share)

    async def kept(self) -> list[str]:
        """The blocked releases that stay, for somebody to activate them anyway."""
        blocked = await asyncio.to_thread(patiently, self._runs.blocked)
        return blocked[:KEPT]

    async def _questions(self) -> list[Expected]:
        questions = await asyncio.to_thread(patiently, self._golden.all)
        return [Expected(golden.question, golden.faq_id) for golden in questions]

    async def _record(self, name: str, against: str | None, judged: Judged, outcome: RunOutcome, start: float) -> None:
        took = round((time.perf_counter() - start) * 1000)
        by = self._override_by if outcome == "overridden" else None
        await asyncio.to_thread(patiently, lambda: self._runs.record(name, against, judged, outcome, took, by))

    async def _judged(
        self,
        catalog: Catalog,
        active: str | None,
        name: str,
        expected: Sequence[Expected],
        step: Step = lambda: None,
        changed: Collection[str] | None = None,
        loaded: Loaded | None = None,
    ) -> Judged:
        live = await self._live(catalog, active, expected, step, loaded)
        async with opened(catalog, name, loaded=loaded) as candidate:
            asked = list(range(len(expected)))
            if live is not None and changed is not None:
                asked = await self._examiner.affected(candidate, expected, live, changed, step)
            results = await self._examiner.outcomes(candidate, [expected[i] for i in asked], step)
            after = list(live or results)
            for position, result in zip(asked, results, strict=True):
                after[position] = result
            self._examiner.remember(name, expected, after)
            lost = {missed.expected for missed in judge(expected, live, after, {}).broken if missed.expected}
            gone = [faq_id for faq_id in sorted(lost) if not await candidate.index.holds(faq_id)]
        states = await asyncio.to_thread(patiently, lambda: reasons(self._database, gone))
        return judge(expected, live, after, states, len(asked))

    async def _live(
        self, catalog: Catalog, active: str | None, expected: Sequence[Expected], step: Step, loaded: Loaded | None
    ) -> list[Outcome] | None:
        """What the live release answers; None where there is none, or none that can be opened."""
        if active is None:
            return None
        if remembered := self._examiner.remembered(active, expected):
            return remembered
        try:
            async with opened(catalog, active, loaded=loaded) as live:
                results = await self._examiner.outcomes(live, expected, step)
        except Canceled:
            raise
        except FaqError as error:
            logger.warning("The live release %s cannot be measured, so that nothing can break: %s", active, error)
            return None
        self._examiner.remember(active, expected, results)
        return results


def blocked_error(name: str, broken: Sequence[Missed], max_broken: int) -> Blocked:
    """The error that says which questions a release breaks, and what to do."""
    lines = lines_of(broken[:SHOWN])
    if len(broken) > SHOWN:
        lines.append(f"and {len(broken) - SHOWN:,} more")
    noun = "golden question" if len(broken) == 1 else "golden questions"
    return Blocked(
        f"The release {name} is built and not activated: it answers {len(broken):,} {noun} wrong that the live release "
        f"answers right, and FAQ_GOLDEN_MAX_BROKEN is {max_broken}.\n"
        + "\n".join(lines)
        + "\nCorrect the entries or the golden questions and reindex, or activate it anyway: "
        f"`python -m app releases activate {name} --override`.",
        name,
    )
