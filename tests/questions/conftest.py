"""Fixtures: the question log in a database of either kind."""

import pytest

from app.knowledge.database import Database
from app.questions.feedback import Feedbacks
from app.questions.log import QuestionLog


@pytest.fixture
def log(database: Database) -> QuestionLog:
    """A log that keeps texts as asked, for 90 days."""
    return QuestionLog(database, "full", days=90)


@pytest.fixture
def feedbacks(database: Database) -> Feedbacks:
    return Feedbacks(database)
