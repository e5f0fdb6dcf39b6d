"""Fixtures: a database of either kind, and its jobs."""

from collections.abc import Iterator

import pytest

from app.jobs.jobs import Jobs
from app.knowledge.database import Database


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database.open(url)
    yield database
    database.close()


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)
