"""Fixtures: a database of either kind, and the question log in it."""

from collections.abc import Iterator

import pytest

from app.knowledge.database import Database
from app.questions.feedback import Feedbacks
from app.questions.log import QuestionLog


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database.open(url)
    yield database
    database.close()


@pytest.fixture
def log(database: Database) -> QuestionLog:
    """A log that keeps texts as asked, for 90 days."""
    return QuestionLog(database, "full", days=90)


@pytest.fixture
def feedbacks(database: Database) -> Feedbacks:
    return Feedbacks(database)
