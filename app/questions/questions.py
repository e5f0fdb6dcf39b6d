"""Everything that is kept of what users ask, as one object for the service to open, use and close."""

import time
from collections.abc import Sequence

from app.knowledge.database import Database
from app.questions.asked import KEEPS_TEXTS, Asked
from app.questions.feedback import Feedbacks
from app.questions.groups import Groups
from app.questions.log import QuestionLog
from app.questions.recorder import Observer, Recorder
from app.questions.reviewing import Reviews
from app.questions.secret import signing_secret
from app.questions.statistics import Statistics
from app.questions.token import Tokens
from app.replies import Reply
from app.settings import LogQuestions

TURN_ON = (
    "Set FAQ_LOG_QUESTIONS=redacted to keep questions with personal data replaced by marks, or =full to keep them as "
    "asked, and start the service again. Only questions asked after that are kept."
)


class Questions:
    """The log, the feedback, the statistics, and the queue before them."""

    def __init__(
        self, database: Database, mode: LogQuestions, days: int, observer: Observer, *, forgets: bool = True
    ) -> None:
        """`forgets`: whether this process deletes what is too old. Raises StoreError if the signing secret can be
        neither read nor made."""
        self.mode: LogQuestions = mode
        self.log = QuestionLog(database, mode, days)
        self.feedbacks = Feedbacks(database)
        self.statistics = Statistics(database)
        self.reviews, self.groups = Reviews(database), Groups(database)
        self.tokens = Tokens(signing_secret(database))
        self._recorder = Recorder(self.log.write, self.log.forget if forgets else None, observer)

    def start(self) -> None:
        """Begin to write in the background; also what is too old is deleted there."""
        self._recorder.start()

    async def close(self) -> None:
        """Write what is waiting, and stop."""
        await self._recorder.close()

    async def flush(self) -> None:
        """Write what is waiting now."""
        await self._recorder.flush()

    @property
    def keeps_texts(self) -> bool:
        """Whether questions are logged with their texts."""
        return KEEPS_TEXTS[self.mode]

    @property
    def notice(self) -> str | None:
        """Where texts are not kept: that, and how to turn it on."""
        if self.keeps_texts:
            return None
        return f"FAQ_LOG_QUESTIONS={self.mode} keeps no texts of questions. {TURN_ON}"

    def record(
        self,
        questions: Sequence[str],
        replies: Sequence[Reply],
        request_ids: Sequence[str],
        *,
        release: str,
        took_ms: float,
        key_name: str | None,
        session: str | None,
    ) -> list[str | None]:
        """Queue the questions of one request for the log; returns the feedback token of each reply.

        Nothing is queued, and no reply has a token, with FAQ_LOG_QUESTIONS=off.
        """
        if self.mode == "off":
            return [None] * len(replies)
        now, tokens = time.time(), list[str | None]()
        for question, reply, request_id in zip(questions, replies, request_ids, strict=True):
            asked = Asked(now, request_id, question, reply, release, took_ms, key_name, session)
            self._recorder.record(asked)
            tokens.append(self.tokens.sign(asked))
        return tokens
