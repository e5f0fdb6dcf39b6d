"""Questions of users whose right answer a person has stated: they calibrate releases as the real questions they are."""

from datetime import datetime

from app.encoding.bundle import Bundle, HeldOut
from app.golden.questions import GoldenStore
from app.knowledge.database import Database
from app.questions.feedback import Feedbacks, FeedbackSelection


def labelled(database: Database, bundle: Bundle) -> list[HeldOut]:
    """The golden questions, and the questions of feedback that name or confirm the right entry.

    Feedback from before the bundle was made may have been trained on, so it counts only where the bundle held its
    question out. Of one text, a golden question counts before feedback, and the latest feedback. Raises StoreError.
    """
    known = {golden.question: golden.faq_id for golden in GoldenStore(database).all()}
    made = datetime.fromisoformat(bundle.manifest.created_at).timestamp()
    held = {question.question for question in bundle.heldout()}
    for given in Feedbacks(database).stream(FeedbackSelection()):
        if given.question and given.right_entry and (given.given_at > made or given.question in held):
            known.setdefault(given.question, given.right_entry)
    return [HeldOut(question, faq_id) for question, faq_id in known.items()]
