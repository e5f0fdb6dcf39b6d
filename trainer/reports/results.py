"""results.json: the answers of the base model and of a run's bundle to every held-out question, for the reports.

Both use the encoder and the ranking of the service. A phrasing of the FAQ that is the question itself is ignored.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app import durable
from app.encoding.bundle import Bundle, add_metrics
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from trainer.data.training_set import TrainingSet
from trainer.evaluation import figures
from trainer.evaluation.evaluate import outcomes_of
from trainer.evaluation.figures import Outcomes
from trainer.reports.tables import BASE, base_bundle, differences
from trainer.runs import Run

RESULTS = "results.json"
UNTRAINED = "No epochs were asked for: this is the base model as it is, calibrated on what is held out."
EXCERPT = 280  # characters of an answer that are kept for showing


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Place(_Frozen):
    """One system's answer to a question: the rank of the right entry, and the entry that is ranked first."""

    rank: int | None  # of the best right entry; None: nothing in the FAQ answers the question
    found: str  # id of the entry that is ranked first
    score: float
    confidence: float

    @property
    def right(self) -> bool:
        """Whether the entry that is ranked first answers the question."""
        return self.rank == 1


class Asked(_Frozen):
    """A held-out question and its answers. `faq_id` is None if nothing answers it, `before` if nothing was trained."""

    question: str
    faq_id: str | None
    before: Place | None
    after: Place


class Shown(_Frozen):
    """The part of an entry that a report shows."""

    question: str
    answer: str


class Counts(_Frozen):
    """The sizes of the FAQ, of the training set and of the held-out questions."""

    entries: int
    phrasings: int
    passages: int  # entries without any question
    pairs: int
    trained_entries: int
    heldout: int
    unanswerable: int  # of the held-out questions


class System(_Frozen):
    """One model's figures on the held-out questions (`figures`), and the confidence from which it answers."""

    figures: dict[str, Any]
    threshold: float


class Results(_Frozen):
    """The content of results.json."""

    counts: Counts
    note: str | None  # why nothing was trained
    before: System | None
    after: System
    differences: dict[str, dict[str, float]]  # of figures: mean, low, high, p
    questions: tuple[Asked, ...]
    entries: dict[str, Shown]

    @property
    def places_before(self) -> list[Place]:
        """The base model's answers; empty if nothing was trained."""
        return [question.before for question in self.questions if question.before is not None]

    @property
    def places_after(self) -> list[Place]:
        """The bundle's answers."""
        return [question.after for question in self.questions]

    @property
    def headline(self) -> str:
        """The share of held-out questions whose first answer is right, before and after; such as `.82 -> .91`."""
        shares = (_share_right(places) for places in (self.places_before, self.places_after) if places)
        return " -> ".join(f"{share:.2f}".lstrip("0") for share in shares)

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
    """Ask both systems every held-out question; write results.json, and the gain into the bundle's manifest."""
    queries = [Query(question.question, question.faq_id) for question in training.heldout]
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
    if results.before:
        gain = {"before": _share_right(results.places_before), "after": _share_right(results.places_after)}
        add_metrics(run.bundle, gain=gain)
    return results


def _asked(before: Outcomes | None, after: Outcomes) -> tuple[Asked, ...]:
    places = [None] * len(after.queries) if before is None else _places(before)
    rows = zip(after.queries, places, _places(after), strict=True)
    return tuple(Asked(question=query.question, faq_id=query.faq_id, before=a, after=b) for query, a, b in rows)


def _places(outcomes: Outcomes) -> list[Place]:
    if outcomes.score is None or outcomes.confidence is None:
        return []
    first = [outcomes.entries[i].id for i in outcomes.top[:, 0]]
    ranks = [int(places[0]) if len(places) else None for places in outcomes.ranked]
    columns = zip(ranks, first, outcomes.score.tolist(), outcomes.confidence.tolist(), strict=True)
    return [Place(rank=rank, found=entry, score=score, confidence=sure) for rank, entry, score, sure in columns]


def _share_right(places: Sequence[Place]) -> float:
    """The share of the answerable questions whose first answer is right."""
    answerable = [place for place in places if place.rank is not None]
    return sum(place.right for place in answerable) / max(1, len(answerable))


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
        unanswerable=sum(question.faq_id is None for question in training.heldout),
    )


def _shown(entries: Sequence[Entry], asked: Sequence[Asked]) -> dict[str, Shown]:
    """The entries that a report names, by id."""
    places = [place for question in asked for place in (question.before, question.after) if place is not None]
    ids = {place.found for place in places} | {question.faq_id for question in asked}
    return {
        entry.id: Shown(question=entry.question, answer=shortened(entry.answer, EXCERPT))
        for entry in entries
        if entry.id in ids
    }


def shortened(text: str, length: int) -> str:
    """The text on one line, cut at a word where it is longer than `length`."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    head, _, cut = line[:length].rpartition(" ")
    return f"{head if len(head) > length // 2 else head + ' ' + cut}…".lstrip()
