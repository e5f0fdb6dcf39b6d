"""Statistics over the wire."""

from pydantic import Field

from app.api.question_schemas import iso
from app.api.schemas import Strict
from app.questions.figures import EntryFigures, HourFigures, TopQuestion

FROM = "The begin of the period, in UTC."
BEFORE = "The end of the period, which is not included."


class EntryStatistics(Strict):
    """What became of one entry in the period."""

    faq_id: str
    question: str
    state: str
    hits: int = Field(description="How often it was the first answer of an answered question.")
    options: int = Field(description="How often it was shown in any other way: offered, suggested, or below the first.")
    confidence: float | None = Field(description="The mean over the hits.")
    last_asked: str | None = Field(description="The last hit of the period.")
    helpful: int = Field(description="Feedback that it was helpful.")
    unhelpful: int
    helpful_share: float | None

    @classmethod
    def of(cls, figures: EntryFigures) -> "EntryStatistics":
        """The item of a list."""
        share, mean = figures.helpful_share, figures.confidence
        fields = figures._asdict() | {
            "confidence": None if mean is None else round(mean, 4),
            "last_asked": None if figures.last_asked is None else iso(figures.last_asked),
            "helpful_share": None if share is None else round(share, 4),
        }
        return cls(**fields)


class EntryStatisticsList(Strict):
    """Entries with their figures. Entries are counted by the day, so the period is one of whole days."""

    start: str = Field(description=FROM)
    end: str = Field(description=BEFORE)
    entries: list[EntryStatistics]
    next_after: str | None = Field(description="Pass it as `after` for the page that follows; null on the last.")


class HourStatistics(Strict):
    """Questions of one hour."""

    hour: str = Field(description="Its begin, in UTC.")
    answered: int
    ambiguous: int
    no_answer: int
    took_ms: float = Field(description="The mean time to answer, in milliseconds.")

    @classmethod
    def of(cls, figures: HourFigures) -> "HourStatistics":
        """The item of a list."""
        return cls(**figures._asdict() | {"hour": iso(figures.hour), "took_ms": round(figures.took_ms, 2)})


class OutcomeStatistics(Strict):
    """Questions by outcome. Hours without a question are left out."""

    start: str = Field(description=FROM)
    end: str = Field(description=BEFORE)
    answered: int
    ambiguous: int
    no_answer: int
    confidence: list[int] = Field(
        description="Ten numbers: questions whose best entry has a confidence below 0.1, below 0.2 and so on."
    )
    without_entry: int = Field(description="Questions for which no entry was found.")
    hours: list[HourStatistics]


class TopQuestionReply(Strict):
    """A question that was asked often. Case and outer punctuation make no difference."""

    question: str
    asked: int
    answered: int
    ambiguous: int
    no_answer: int
    last_asked: str

    @classmethod
    def of(cls, top: TopQuestion) -> "TopQuestionReply":
        """The item of a list."""
        return cls(**top._asdict() | {"last_asked": iso(top.last_asked)})


class TopQuestionList(Strict):
    """The questions that were asked most. They are counted by the day, so the period is one of whole days."""

    start: str = Field(description=FROM)
    end: str = Field(description=BEFORE)
    questions: list[TopQuestionReply]
    notice: str | None = Field(description="Where questions are not logged now: that, and how to turn it on.")
