"""Golden questions, their runs and comparisons over the wire."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.api.schemas import Question, Strict
from app.golden.judging import Missed, Outcome, Verdict
from app.golden.questions import MANUAL, NOTE_LENGTH, SOURCE_LENGTH, Golden, NewQuestion
from app.golden.runs import Run
from app.ranking.decision import Status
from app.releases.examining import Compared
from app.text.limits import clean, clean_name

Source = Annotated[str, AfterValidator(lambda value: clean(value, "source", SOURCE_LENGTH) or MANUAL)]
Note = Annotated[str, AfterValidator(lambda value: clean(value, "note", NOTE_LENGTH))]
FaqId = Annotated[str, AfterValidator(lambda value: clean_name(value, "faq_id"))]


class GoldenBody(Strict):
    """A golden question, whole."""

    question: Question
    faq_id: FaqId | None = Field(description="The entry that answers it; null: no entry does.")
    source: Source = Field(MANUAL, description="Where it comes from, such as `manual`, `feedback` or a file's name.")
    note: Note = ""

    def new(self) -> NewQuestion:
        """The question to store."""
        return NewQuestion(self.question, self.faq_id, self.source, self.note)


class GoldenReply(Strict):
    """A golden question."""

    id: int
    question: str
    faq_id: str | None
    source: str
    note: str
    changed_by: str | None
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, golden: Golden) -> "GoldenReply":
        """The stored question for the client."""
        times = {name: getattr(golden, name).isoformat() for name in ("created_at", "updated_at")}
        return cls(**vars(golden) | times)


class GoldenList(Strict):
    """A page of golden questions, in the order in which they were added."""

    questions: list[GoldenReply]
    total: int = Field(description="How many match, on all pages.")
    next_after: int | None = Field(description="`after` of the next page; null on the last.")


class GoldenDeleted(Strict):
    """A golden question that was deleted."""

    id: int
    deleted: Literal[True]


class GoldenImport(Strict):
    """What an import did, or with `dry_run` would do."""

    added: int
    updated: int = Field(description="Questions that were golden already and now have the file's entry or note.")
    unchanged: int
    dry_run: bool


class GoldenCollect(Strict):
    """What to make golden of what users asked."""

    source: Literal["feedback", "log"] = Field(
        description="`feedback`: questions to which a user named the right entry, or called an answer helpful. `log`: "
        "logged questions as they were answered, which whoever sends this confirms."
    )
    request_ids: list[Annotated[str, StringConstraints(max_length=64)]] | None = Field(
        None, max_length=1000, description="Only these; needed with `log`."
    )

    @model_validator(mode="after")
    def _names_questions(self) -> "GoldenCollect":
        if self.source == "log" and not self.request_ids:
            raise ValueError("`log` needs `request_ids`: the logged questions that were answered right")
        return self


class GoldenCollected(Strict):
    """What was made golden."""

    added: int
    known: int = Field(description="Questions that were golden already; they stay as they are.")
    skipped: int = Field(description="Questions whose entry is no longer in the store.")


class MissedReply(Strict):
    """A golden question that the live release answers right and this one wrong."""

    question: str
    expected: str | None = Field(description="The entry that answers it; null: no entry does.")
    before: str | None = Field(description="The entry that the live release answers with.")
    after: str | None = Field(description="The entry that this release answers with, or offers first.")
    status: Status
    confidence: float
    reason: str = Field(description="For a question that is not counted: what became of its entry.")

    @classmethod
    def of(cls, missed: Missed) -> "MissedReply":
        """A question of a run for the client."""
        return cls(**missed.document())


class RunReply(Strict):
    """One measurement of a release on the golden questions."""

    id: int
    release: str
    against: str | None = Field(description="The release that was live; null: there was none.")
    outcome: Literal["passed", "blocked", "overridden", "measured"] = Field(
        description="`overridden`: it was blocked and activated anyway; `measured`: it was not to be activated."
    )
    questions: int
    asked: int = Field(description="How many were asked; the others cannot have changed.")
    right: int
    broken: int = Field(description="Right in the live release and wrong in this one.")
    fixed: int = Field(description="Wrong in the live release and right in this one.")
    waived: int = Field(description="As `broken`, but their entry was archived or removed; they do not block.")
    broken_questions: list[MissedReply] = Field(description="The first 1,000.")
    waived_questions: list[MissedReply] = Field(description="The first 1,000.")
    overridden_by: str | None
    took_ms: int
    created_at: str

    @classmethod
    def of(cls, run: Run) -> "RunReply":
        """A run for the client."""
        return cls.model_validate(vars(run) | {"created_at": run.created_at.isoformat()})


class RunList(Strict):
    """A page of runs, newest first."""

    runs: list[RunReply]
    total: int
    next_before: int | None = Field(description="`before` of the next page; null on the last.")


class OutcomeReply(Strict):
    """What a release answers to a question."""

    status: Status
    answers: list[str] = Field(description="Ids of the entries that are answered or offered, best first.")
    confidence: float = Field(description="Of the best entry, shown or not.")
    right: bool | None = Field(description="null where nobody has said which entry is right.")

    @classmethod
    def of(cls, outcome: Outcome) -> "OutcomeReply":
        """An outcome for the client."""
        confidence = round(outcome.confidence, 4)
        return cls(status=outcome.status, answers=list(outcome.shown), confidence=confidence, right=outcome.right)


class ComparedReply(Strict):
    """One question answered by two releases."""

    question: str
    faq_id: str | None = Field(description="The expected entry; null: no entry, or not known.")
    verdict: Verdict = Field(description="`changed`: another reply, as right or as wrong as before.")
    before: OutcomeReply = Field(description="By the first release.")
    after: OutcomeReply = Field(description="By the second release.")

    @classmethod
    def of(cls, compared: Compared) -> "ComparedReply":
        """A compared question for the client."""
        return cls(
            question=compared.question,
            faq_id=compared.expected,
            verdict=compared.verdict,
            before=OutcomeReply.of(compared.before),
            after=OutcomeReply.of(compared.after),
        )


class Comparison(Strict):
    """Two releases on a page of questions."""

    before: str
    after: str
    questions: list[ComparedReply] = Field(description="Those of the page with one of the verdicts asked for.")
    counts: dict[Verdict, int] = Field(description="How many questions of this page have each verdict.")
    total: int | None = Field(description="How many questions there are, on all pages; null for logged ones.")
    next_after: str | None = Field(description="`after` of the next page; null on the last.")
