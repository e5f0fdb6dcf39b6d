"""Which logged questions: by time, outcome, entry, session, feedback, or a text that they hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from sqlalchemy import ColumnElement, exists, false

from app.knowledge.search import folded
from app.questions.tables import FeedbackRow, QuestionRow
from app.ranking.decision import Status
from app.text.limits import same_question

OUTCOMES: tuple[Status, ...] = get_args(Status)

_NEVER_STORED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")  # databases refuse these in parameters


@dataclass(frozen=True)
class Selection:
    """Which questions. `asked_from` is included, `asked_before` is not; both are seconds since 1970.

    `search`: a text that the question holds, whatever its case. `faq_id`: the best entry. `helpful`: what a user said
    of the reply. `release`: which answered.
    """

    search: str | None = None
    outcomes: Sequence[Status] = ()
    faq_id: str | None = None
    session: str | None = None
    release: str | None = None
    helpful: bool | None = None
    asked_from: float | None = None
    asked_before: float | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions that a logged question must meet."""
        texts = (self.search, self.faq_id, self.session, self.release)
        if any(text is not None and _NEVER_STORED.search(text) for text in texts):
            return [false()]
        equal = {QuestionRow.faq_id: self.faq_id, QuestionRow.session: self.session, QuestionRow.release: self.release}
        conditions: list[ColumnElement[bool]] = [column == text for column, text in equal.items() if text is not None]
        if self.search:
            conditions.append(QuestionRow.normalized.contains(normalized(self.search), autoescape=True))
        if self.outcomes:
            conditions.append(QuestionRow.outcome.in_(self.outcomes))
        if self.asked_from is not None:
            conditions.append(QuestionRow.asked_at >= self.asked_from)
        if self.asked_before is not None:
            conditions.append(QuestionRow.asked_at < self.asked_before)
        if self.helpful is not None:
            same = FeedbackRow.request_id == QuestionRow.request_id
            conditions.append(exists().where(same, FeedbackRow.helpful.is_(self.helpful)))
        return conditions


def normalized(question: str) -> str:
    """The question without case, outer punctuation and repeated white space: equal for questions that count as one."""
    return folded(same_question(question) or question)
