"""The command `migrate`, on either database."""

import pytest
from sqlalchemy import create_engine, inspect
from typer.testing import CliRunner

from app.__main__ import cli
from app.settings import Settings


def test_a_new_database_gets_the_tables_of_this_version(
    settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = settings.model_copy(update={"database_url": url})
    for name, value in there.environment().items():
        monkeypatch.setenv(name, value)
    for _ in range(2):  # the second time there is nothing to do
        assert CliRunner().invoke(cli, ["migrate"]).exit_code == 0
    engine = create_engine(url)
    assert {"entries", "jobs", "alembic_version"} <= set(inspect(engine).get_table_names())
    engine.dispose()
