"""Feedback and logged questions over the wire."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.api.schemas import MAX_QUESTION, Question, Strict
from app.questions.feedback import Given, Opinion, Reason
from app.questions.log import Logged
from app.text.limits import clean, clean_name

MAX_TOKEN = 2000

FaqId = Annotated[str, AfterValidator(lambda value: clean_name(value, "faq_id"))]
Comment = Annotated[str, AfterValidator(lambda value: clean(value, "comment", MAX_QUESTION))]


def iso(seconds: float) -> str:
    """A time, given in seconds since 1970, in ISO 8601 and UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class FeedbackBody(Strict):
    """What a user says of an answer, or of a whole reply."""

    request_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}(-[1-9][0-9]?)?$")] = Field(
        description="`request_id` of the reply.", examples=["0123456789abcdef0123456789abcdef"]
    )
    token: Annotated[str, StringConstraints(max_length=MAX_TOKEN)] | None = Field(
        None,
        description="`feedback_token` of the reply. Without it the request needs a key, and the question must be in "
        "the log (FAQ_LOG_QUESTIONS=redacted or full).",
    )
    faq_id: FaqId | None = Field(None, description="The answer that is meant; left out: the whole reply.")
    helpful: bool
    reason: Reason | None = Field(None, description="Why it was not helpful.")
    comment: Comment | None = Field(None, description="In the user's own words; stored redacted.")
    correct_faq_id: FaqId | None = Field(None, description="The entry that would have been right.")
    question: Question | None = Field(
        None,
        description="The question that was asked, unchanged; the token proves it. Stored redacted. Left out: the "
        "question is taken from the log, if it is there.",
    )

    @model_validator(mode="after")
    def _reason_of_a_complaint(self) -> "FeedbackBody":
        if self.helpful and self.reason:
            raise ValueError("`reason` says why an answer was not helpful; leave it out with `helpful: true`")
        return self

    def opinion(self) -> Opinion:
        """What the user said, for the store."""
        return Opinion(self.helpful, self.faq_id, self.reason, self.comment or None, self.correct_faq_id)


class FeedbackReply(Strict):
    """A feedback as it is stored."""

    request_id: str
    faq_id: str | None = Field(description="The answer that is meant; null: the whole reply.")
    helpful: bool
    reason: Reason | None
    comment: str | None = Field(description="Redacted.")
    correct_faq_id: str | None
    question: str | None = Field(description="Redacted; null where its text is not known.")
    changeable_until: str = Field(description="Until then the same request changes this feedback.")

    @classmethod
    def of(cls, given: Given) -> "FeedbackReply":
        """The reply to whoever gave it."""
        return cls(**_common(given), changeable_until=iso(given.changeable_until))


class FeedbackItem(Strict):
    """A feedback, for an administrator."""

    request_id: str
    faq_id: str | None = Field(description="The answer that is meant; null: the whole reply.")
    helpful: bool
    reason: Reason | None
    comment: str | None
    correct_faq_id: str | None
    question: str | None
    outcome: Literal["answered", "ambiguous", "no_answer"]
    release: str
    key_name: str | None
    session: str | None
    given_at: str
    changed_at: str

    @classmethod
    def of(cls, given: Given) -> "FeedbackItem":
        """The item of a list."""
        rest = {name: getattr(given, name) for name in ("outcome", "release", "key_name", "session")}
        return cls(**_common(given), **rest, given_at=iso(given.given_at), changed_at=iso(given.changed_at))


class FeedbackList(Strict):
    """Feedback, newest first."""

    feedback: list[FeedbackItem]
    next_after: str | None = Field(description="Pass it as `after` for the page that follows; null on the last.")


class LoggedQuestion(Strict):
    """A question that was asked."""

    request_id: str
    asked_at: str
    question: str = Field(description="As asked, or redacted, as FAQ_LOG_QUESTIONS was set at the time.")
    outcome: Literal["answered", "ambiguous", "no_answer"]
    faq_id: str | None = Field(description="The best answer, or the best suggestion where there was no answer.")
    confidence: float | None = Field(description="Of that entry.")
    took_ms: float
    release: str
    key_name: str | None = Field(description="The name of the key; null where none was sent.")
    session: str | None

    @classmethod
    def of(cls, logged: Logged) -> "LoggedQuestion":
        """The item of a list."""
        fields = logged._asdict() | {"asked_at": iso(logged.asked_at), "took_ms": round(logged.took_ms, 2)}
        del fields["id"]
        return cls(**fields)


class QuestionList(Strict):
    """Logged questions, newest first."""

    questions: list[LoggedQuestion]
    next_after: str | None = Field(description="Pass it as `after` for the page that follows; null on the last.")
    notice: str | None = Field(description="Where questions are not logged now: that, and how to turn it on.")


class ErasureReply(Strict):
    """What an erasure deleted."""

    questions: int
    feedback: int


def _common(given: Given) -> dict[str, Any]:
    names = ("request_id", "faq_id", "helpful", "reason", "comment", "correct_faq_id", "question")
    return {name: getattr(given, name) for name in names}
