"""What a run changed, question by question: results.json, which the report is drawn from.

Every held-out question is asked twice, of the base model and of the run's bundle, with the encoder and the ranking
that serve. A question that stands in the FAQ as a phrasing has that phrasing left out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app import durable
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.retrieval.bundle import Bundle
from trainer.data import TrainingSet
from trainer.evaluation import figures
from trainer.evaluation.evaluate import outcomes_of
from trainer.evaluation.figures import Outcomes
from trainer.evaluation.tables import BASE, base_bundle, differences
from trainer.runs import Run

RESULTS = "results.json"
UNTRAINED = "No epochs were asked for: this is the base model as it is, calibrated on what is held out."
EXCERPT = 280  # characters of an answer that are kept for showing


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Place(_Frozen):
    """What one system makes of a question: where the right answer stands, and what stands first."""

    rank: int | None  # of the best right entry; None: nothing in the FAQ answers the question
    found: str  # the entry that stands first
    score: float
    confidence: float

    @property
    def right(self) -> bool:
        """Whether what stands first answers the question."""
        return self.rank == 1


class Asked(_Frozen):
    """A held-out question, asked before and after. `faq_id` None: nothing answers it; `before` None: no training."""

    question: str
    faq_id: str | None
    before: Place | None
    after: Place


class Shown(_Frozen):
    """As much of an entry as a report shows."""

    question: str
    answer: str


class Counts(_Frozen):
    """The FAQ and what was made of it."""

    entries: int
    phrasings: int
    passages: int  # entries without any question
    pairs: int
    trained_entries: int
    heldout: int
    unanswerable: int  # of those held out


class System(_Frozen):
    """One model's figures on the held-out questions (`figures`), and the confidence from which it answers."""

    figures: dict[str, Any]
    threshold: float


class Results(_Frozen):
    """results.json."""

    counts: Counts
    note: str | None  # why nothing was trained
    before: System | None
    after: System
    differences: dict[str, dict[str, float]]  # of figures: mean, low, high, p
    questions: tuple[Asked, ...]
    entries: dict[str, Shown]

    @classmethod
    def read(cls, directory: Path) -> "Results":
        """The results in a run's directory. Raises InputError when there are none, or they cannot be used."""
        path = directory / RESULTS
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"{directory} has no {RESULTS} to draw a report from.") from None
        except (OSError, ValidationError) as error:
            raise InputError(f"{path} cannot be used: {str(error).splitlines()[0]}") from error


def measure(run: Run, entries: Sequence[Entry], training: TrainingSet, base: str) -> Results:
    """Ask both systems every held-out question and write results.json."""
    queries = [Query(one.question, one.faq_id) for one in training.heldout]
    bundle = Bundle.load(run.bundle)
    note = (training.too_small or UNTRAINED) if bundle.manifest.recipe == BASE else None
    after = outcomes_of(bundle, entries, queries, "answers")
    before = None
    if note is None:
        with base_bundle(base) as untrained:
            before = outcomes_of(untrained, entries, queries, "answers")
    asked = _asked(before, after)
    results = Results(
        counts=_counts(entries, training),
        note=note,
        before=_system(before) if before else None,
        after=_system(after),
        differences=differences(before, after) if before else {},
        questions=asked,
        entries=_shown(entries, asked),
    )
    durable.write(run.directory / RESULTS, results.model_dump_json(indent=1) + "\n")
    return results


def _asked(before: Outcomes | None, after: Outcomes) -> tuple[Asked, ...]:
    first = [None] * len(after.queries) if before is None else _places(before)
    pairs = zip(after.queries, first, _places(after), strict=True)
    return tuple(Asked(question=one.question, faq_id=one.faq_id, before=was, after=now) for one, was, now in pairs)


def _places(outcomes: Outcomes) -> list[Place]:
    if outcomes.score is None or outcomes.confidence is None:
        return []
    found = [outcomes.entries[i].id for i in outcomes.top[:, 0]]
    ranks = [int(places[0]) if len(places) else None for places in outcomes.ranked]
    columns = zip(ranks, found, outcomes.score.tolist(), outcomes.confidence.tolist(), strict=True)
    return [Place(rank=rank, found=name, score=score, confidence=sure) for rank, name, score, sure in columns]


def _system(outcomes: Outcomes) -> System:
    return System(figures=figures.with_intervals(outcomes), threshold=outcomes.threshold)


def _counts(entries: Sequence[Entry], training: TrainingSet) -> Counts:
    return Counts(
        entries=len(entries),
        phrasings=sum(len(entry.phrasings) for entry in entries),
        passages=sum(not entry.phrasings for entry in entries),
        pairs=len(training.pairs),
        trained_entries=training.groups,
        heldout=len(training.heldout),
        unanswerable=sum(one.faq_id is None for one in training.heldout),
    )


def _shown(entries: Sequence[Entry], asked: Sequence[Asked]) -> dict[str, Shown]:
    """The entries that the report may name."""
    places = [place for one in asked for place in (one.before, one.after) if place is not None]
    names = {place.found for place in places} | {one.faq_id for one in asked}
    some = [entry for entry in entries if entry.id in names]
    return {entry.id: Shown(question=entry.question, answer=shortened(entry.answer, EXCERPT)) for entry in some}


def shortened(text: str, length: int) -> str:
    """The text on one line, cut at a word where it is longer than `length`."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    head, _, cut = line[:length].rpartition(" ")
    return f"{head if len(head) > length // 2 else head + ' ' + cut}…".lstrip()
