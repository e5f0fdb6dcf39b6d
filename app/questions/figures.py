"""What statistics of questions give: periods, and figures of entries, hours and questions."""

from typing import Literal, NamedTuple, get_args

from app.questions.asked import DAY_S, HOUR_S

EntrySort = Literal["-hits", "hits", "-options", "-unhelpful", "-last_asked", "last_asked"]
ENTRY_SORTS: tuple[EntrySort, ...] = get_args(EntrySort)


class Period(NamedTuple):
    """From `start` up to `end`, which is not included; both are seconds since 1970."""

    start: float
    end: float

    @property
    def hours(self) -> tuple[int, int]:
        """The first hour and the one after the last, in hours since 1970; hours that are touched count whole."""
        return int(self.start // HOUR_S), -int(-self.end // HOUR_S)

    @property
    def days(self) -> tuple[int, int]:
        """The same in days."""
        return int(self.start // DAY_S), -int(-self.end // DAY_S)


class EntryFigures(NamedTuple):
    """What became of one entry.

    `hits`: it was the first answer of an answered question; `options`: it was shown in any other way. `confidence`: the
    mean over the hits. `last_asked`: the last hit. `helpful` and `unhelpful`: feedback on it.
    """

    faq_id: str
    question: str
    state: str
    hits: int
    options: int
    confidence: float | None
    last_asked: float | None
    helpful: int
    unhelpful: int

    @property
    def helpful_share(self) -> float | None:
        """The helpful share of the feedback; None without any."""
        given = self.helpful + self.unhelpful
        return self.helpful / given if given else None


class EntryPage(NamedTuple):
    """Entries in order; the cursor of the page that follows, None on the last."""

    entries: list[EntryFigures]
    next_after: str | None


class HourFigures(NamedTuple):
    """Questions of one hour by outcome, and their mean latency. `hour`: its start, in seconds since 1970."""

    hour: float
    answered: int
    ambiguous: int
    no_answer: int
    took_ms: float


class TopQuestion(NamedTuple):
    """A question as one user wrote it, how often it was asked, with which outcomes, and when last."""

    question: str
    asked: int
    answered: int
    ambiguous: int
    no_answer: int
    last_asked: float


class HelpfulShare(NamedTuple):
    """Feedback of a period: how much of it was helpful, and how much there was."""

    helpful: int
    given: int

    @property
    def share(self) -> float | None:
        """None without feedback."""
        return self.helpful / self.given if self.given else None
