"""What goes over the wire. Unknown fields are refused, so that a misspelt one is not silently without effect."""

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
    """Refuses what it does not know, and does not guess at types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _clean_question(value: object) -> object:
    return clean(value, "question", MAX_QUESTION) if isinstance(value, str) else value


Question = Annotated[str, BeforeValidator(_clean_question), StringConstraints(min_length=1, max_length=MAX_QUESTION)]
Text = Annotated[str, StringConstraints(max_length=MAX_QUESTION)]
Scalar = bool | int | FiniteFloat | Text


class Range(Strict):
    """A numeric range, both ends included."""

    gte: FiniteFloat | None = None
    lte: FiniteFloat | None = None

    @model_validator(mode="after")
    def _some_end(self) -> "Range":
        if self.gte is None and self.lte is None:
            raise ValueError("a range needs `gte`, `lte`, or both")
        return self


class Options(Strict):
    """How to answer."""

    top_k: int = Field(3, ge=1, le=50, description="How many answers at most.")
    min_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Answer only with at least this probability of being right. "
        "null: the release's own answer threshold. 0: never abstain. Above the release's offer threshold it replaces "
        "that too. An entry that holds the question word for word is always sure enough.",
    )
    filters: dict[str, Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=MAX_VALUES)] | Range] = Field(
        default_factory=dict,
        max_length=MAX_FILTERS,
        description="Metadata that answers must have: a value, any of several, or a range. All fields must match.",
        examples=[{"category": ["billing", "payment"], "year": {"gte": 2024}}],
    )

    render: Literal["html"] | None = Field(
        None, description="`html`: each answer has `answer_html` too. Markdown and HTML of the answer, safe to show."
    )

    @property
    def where(self) -> Filter:
        """The filters as the index takes them."""
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
    """Several questions, answered alike."""

    questions: list[Question] = Field(min_length=1, description=f"Up to {MAX_BATCH} questions.")


class FollowUp(Strict):
    """An entry to go on with after an answer."""

    faq_id: str
    question: str


class Answer(Strict):
    """One answer with what speaks for it."""

    faq_id: str
    question: str = Field(description="The entry's question; empty for a passage.")
    matched_question: str | None = Field(description="The phrasing of the entry that fits best; null for a passage.")
    answer: str = Field(description="As it was given; may hold Markdown or HTML, which is not safe to show as it is.")
    answer_html: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Only with `render: html`: the answer as HTML without scripts, event handlers, styles and images; "
        "links lead to http, https or mailto.",
    )
    score: float = Field(description="Similarity; comparable within one release only.")
    confidence: float = Field(ge=0, le=1, description="Calibrated probability that this answer is right.")
    metadata: dict[str, Any]
    follow_ups: list[FollowUp] = Field(description="Questions that the entry proposes to go on with.")


class Suggestion(Strict):
    """An entry that may be near to what was meant."""

    faq_id: str
    question: str
    confidence: float = Field(ge=0, le=1)


class Reply(Strict):
    """The answers to one question, best first.

    `ambiguous`: two or three different answers, one of which is probably right, whatever `top_k`; or up to five where
    several entries with different answers hold the question word for word.
    """

    request_id: str = Field(description="Ours, one for each question; in a batch `<request id>-<n>`, n from 1.")
    status: Literal["answered", "ambiguous", "no_answer"]
    answers: list[Answer]
    suggestions: list[Suggestion] = Field(description="Only with `no_answer`: up to three entries that come nearest.")
    release: str = Field(description="The release that answered: bundle and knowledge revision.")
    took_ms: float = Field(description="Time from the parsed request to the answer, in milliseconds.")


class BatchReply(Strict):
    """The replies, in the order of the questions."""

    results: list[Reply]


class JobReply(Strict):
    """A job as it stands."""

    job_id: str
    kind: str
    status: Literal["queued", "running", "succeeded", "failed", "canceled"]
    done: int = Field(description="Entries done so far.")
    total: int
    error: str | None
    release: str | None
    created_at: str
    updated_at: str


class JobList(Strict):
    """The latest jobs, newest first."""

    jobs: list[JobReply]


class ReleaseReply(Strict):
    """A release that is there to be activated."""

    release: str
    active: bool
    previous: bool = Field(description="Whether it was active before the present one.")
    bundle: str
    knowledge: str
    entries: int
    created_at: str
    calibrated: bool = Field(description="Whether it has a calibration of its own; otherwise its bundle's is used.")
    problems: list[str] = Field(description="Why it, or its reranker, could not be calibrated.")
    threshold: float | None = Field(description="The confidence from which it answers; null: its bundle's own.")
    offer_threshold: float | None = Field(
        description="The joint probability from which it offers two or three answers; null: its bundle's own."
    )
    figures: dict[str, float] = Field(
        description="What its bundle's held-out questions find in it. Of those that an entry answers: how often the "
        "right one is first (`precision@1`), is given or among the offered (`helped`), the share that is `answered` "
        "and how much of that is right. Of all: the share answered wrongly (`wrong`). Of the unanswerable: the shares "
        "answered and offered something."
    )


class ReleaseList(Strict):
    """Every release, newest first."""

    releases: list[ReleaseReply]


class ChangeReply(Strict):
    """An entry that an import adds, updates, leaves without its row in the file, or removes."""

    id: str
    question: str
    fields: list[str] = Field(description="What differs in an updated entry; of metadata, `metadata.KEY`.")


class ImportReply(Strict):
    """What an import did, or with `dry_run` would do. The service answers from it after the next reindex."""

    added: int
    updated: int
    unchanged: int
    removed: int = Field(description="Entries that the file lacks, with `replace`.")
    orphaned: int = Field(description="Entries that the file lacks and that stay, with `append`.")
    matched: int = Field(description="Entries that were found by their question, with `match=question`.")
    total: int = Field(description="Entries in the store afterwards.")
    dry_run: bool
    format: str = Field(description="What the file was read as.")
    encoding: str
    encoding_guessed: bool
    mapping: dict[str, str] = Field(description="Columns or keys of the file that were read as fields of ours.")
    merged: list[str] = Field(description="Rows with identical content, which are one entry.")
    warnings: list[str]
    added_entries: list[ChangeReply] = Field(description="The first 1,000.")
    updated_entries: list[ChangeReply] = Field(description="The first 1,000.")
    removed_entries: list[ChangeReply] = Field(description="The first 1,000.")
    orphaned_entries: list[ChangeReply] = Field(description="The first 1,000.")
