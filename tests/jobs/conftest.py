"""Fixtures: the jobs of a database of either kind."""

import pytest

from app.jobs.jobs import Jobs
from app.knowledge.database import Database


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)
