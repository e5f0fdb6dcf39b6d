"""Questions that were asked, for tests of the log."""

from app.questions.asked import Asked
from app.ranking.decision import Status
from app.replies import Answer, Reply

NOON = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def answer(faq_id: str, confidence: float = 0.9) -> Answer:
    """An entry as a reply shows it."""
    return Answer(faq_id, f"What is {faq_id}?", None, f"It is {faq_id}.", {}, 0.5, confidence, [])


def asked(
    number: int,
    question: str = "Where is my parcel?",
    status: Status = "answered",
    shown: tuple[Answer, ...] = (answer("parcel"),),
    at: float | None = None,
    session: str | None = None,
) -> Asked:
    """The question of request `number`, one second after the one before unless `at` says when."""
    reply = Reply(status, (), shown) if status == "no_answer" else Reply(status, shown, ())
    return Asked(NOON + number if at is None else at, request(number), question, reply, "faq-a-b", 4.0, "web", session)


def request(number: int) -> str:
    """The id of request `number`."""
    return f"{number:032x}"
