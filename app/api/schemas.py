"""Requests and replies of the API. Unknown fields are refused, so that a misspelt field is an error."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, StringConstraints, model_validator

from app.index.filters import AnyOf, Filter
from app.index.filters import Range as RangeFilter
from app.text.limits import clean

MAX_QUESTION = 1000
MAX_BATCH = 32
MAX_FILTERS = 16
MAX_VALUES = 100


class Strict(BaseModel):
    """Refuses unknown fields and values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _clean_question(value: object) -> object:
    return clean(value, "question", MAX_QUESTION) if isinstance(value, str) else value


Question = Annotated[str, BeforeValidator(_clean_question), StringConstraints(min_length=1, max_length=MAX_QUESTION)]
Text = Annotated[str, StringConstraints(max_length=MAX_QUESTION)]
Scalar = bool | int | FiniteFloat | Text


class Range(Strict):
    """A numeric range, including both ends."""

    gte: FiniteFloat | None = None
    lte: FiniteFloat | None = None

    @model_validator(mode="after")
    def _has_an_end(self) -> "Range":
        if self.gte is None and self.lte is None:
            raise ValueError("a range needs `gte`, `lte`, or both")
        return self


class Options(Strict):
    """Options of a question."""

    top_k: int = Field(3, ge=1, le=50, description="The maximum number of answers.")
    min_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="The probability of being right that an answer needs. "
        "null: the release's answer threshold. 0: always answer. A value above the release's offer threshold replaces "
        "that too. An entry that has the question word for word always qualifies.",
    )
    filters: dict[str, Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=MAX_VALUES)] | Range] = Field(
        default_factory=dict,
        max_length=MAX_FILTERS,
        description="Metadata that an answer must have: a value, one of several values, or a range. All fields must "
        "match.",
        examples=[{"category": ["billing", "payment"], "year": {"gte": 2024}}],
    )

    render: Literal["html"] | None = Field(
        None, description="`html`: each answer also has `answer_html`, its Markdown or HTML as sanitised HTML."
    )

    session: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9._~-]+$",
        description="Your own id of the conversation, such as a random UUID. It is kept with the question where "
        "questions are logged, and serves to erase them. Do not send a name or an e-mail address.",
    )

    @property
    def where(self) -> Filter:
        """The filters in the form that the index needs."""
        return {field: _condition(value) for field, value in self.filters.items()}


def _condition(value: Any) -> AnyOf | RangeFilter:  # noqa: ANN401 - any of the forms above
    if isinstance(value, Range):
        return RangeFilter(value.gte, value.lte)
    return AnyOf(tuple(value) if isinstance(value, list) else (value,))


class Ask(Options):
    """One question."""

    question: Question = Field(
        description="The question, in the user's own words.", examples=["How do I get my money back?"]
    )


class AskBatch(Options):
    """Several questions with the same options."""

    questions: list[Question] = Field(min_length=1, description=f"Up to {MAX_BATCH} questions.")


class FollowUp(Strict):
    """An entry to go on with after an answer."""

    faq_id: str
    question: str


class Completion(Strict):
    """A question of the FAQ that has the words typed so far."""

    faq_id: str
    question: str


class Completions(Strict):
    """Questions that begin with the text first, then shorter ones first."""

    questions: list[Completion]


class Gain(BaseModel):
    """The share of held-out questions whose first answer is right, by the base model and by the fine-tuned one."""

    before: float
    after: float


class LiveRelease(Strict):
    """The release that answers now, and its model."""

    release: str
    model: str = Field(description="Revision of the model's bundle. Edits make new releases of the same model.")
    fine_tuned: bool = Field(description="False for the base model as it is.")
    gain: Gain | None = Field(description="Null for the base model, and where nothing was held out.")


class Answer(Strict):
    """One answer."""

    faq_id: str
    question: str = Field(description="The question of the entry; empty for a passage.")
    matched_question: str | None = Field(description="The best matching phrasing of the entry; null for a passage.")
    answer: str = Field(
        description="The text as imported. It may contain Markdown or HTML, which is not safe to show without "
        "sanitising."
    )
    answer_html: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Only with `render: html`: the answer as HTML without scripts, event handlers, styles and images; "
        "links lead to http, https or mailto.",
    )
    score: float = Field(description="Similarity; comparable within one release only.")
    confidence: float = Field(ge=0, le=1, description="Calibrated probability that this answer is right.")
    metadata: dict[str, Any]
    follow_ups: list[FollowUp] = Field(
        [],
        exclude_if=lambda value: not value,
        description="Questions that the entry proposes to go on with; absent where it proposes none.",
    )


class Suggestion(Strict):
    """An entry that may be what the user meant."""

    faq_id: str
    question: str
    confidence: float = Field(ge=0, le=1)


class Reply(Strict):
    """The answers to one question, best first.

    `ambiguous`: two or three different answers, one of which is probably right; or up to five, if several entries with
    different answers have the question word for word. `top_k` does not limit them.
    """

    request_id: str = Field(description="The service's id of the question; in a batch `<request id>-<n>`, n from 1.")
    status: Literal["answered", "ambiguous", "no_answer"]
    answers: list[Answer]
    suggestions: list[Suggestion] = Field(description="Only with `no_answer`: up to three of the nearest entries.")
    release: str = Field(description="The release that answered.")
    took_ms: float = Field(description="Milliseconds from the parsed request to the answer.")
    feedback_token: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="For `POST /v1/feedback`, which then needs no key; valid for 7 days. Absent with "
        "FAQ_LOG_QUESTIONS=off.",
    )


class BatchReply(Strict):
    """The replies, in the order of the questions."""

    results: list[Reply]


class JobReply(Strict):
    """The state of a job."""

    job_id: str
    kind: str
    status: Literal["queued", "running", "succeeded", "failed", "canceled"]
    done: int = Field(description="Entries processed so far.")
    total: int
    error: str | None
    release: str | None
    created_at: str
    updated_at: str


class JobList(Strict):
    """The latest jobs, newest first."""

    jobs: list[JobReply]
