"""One question that was asked and what came of it: what the log and the counts are made of."""

from collections.abc import Mapping
from typing import NamedTuple

from app.questions.redaction import redacted
from app.replies import Answer, Reply
from app.settings import LogQuestions

KEEPS_TEXTS: Mapping[LogQuestions, bool] = {"off": False, "counts": False, "redacted": True, "full": True}
HOUR_S, DAY_S = 3600, 86_400


class Asked(NamedTuple):
    """A question with its reply. `asked_at`: seconds since 1970; `took_ms`: from the parsed request to the answer.

    `key_name`: the name of the key, None where none was needed. `session`: what the client sent, opaque.
    """

    asked_at: float
    request_id: str
    question: str
    reply: Reply
    release: str
    took_ms: float
    key_name: str | None
    session: str | None

    @property
    def best(self) -> Answer | None:
        """The best answer, or the best suggestion where there was no answer."""
        entries = self.reply.answers or self.reply.suggestions
        return entries[0] if entries else None


def kept_text(question: str, mode: LogQuestions) -> str:
    """The text of a question as this mode writes it. Raises ValueError for a mode that keeps no texts."""
    if not KEEPS_TEXTS[mode]:
        raise ValueError(f"FAQ_LOG_QUESTIONS={mode} keeps no texts")
    return question if mode == "full" else redacted(question)
