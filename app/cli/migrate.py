"""The command `migrate`: bring the database to this version, before several replicas start."""

from app.cli.terminal import command_settings, out, reporting_errors, waiting
from app.knowledge.database import Database


def migrate() -> None:
    """Bring the database to the schema of this version. Every other command does so too, when it opens the database."""
    with reporting_errors():
        settings = command_settings()
        waiting(lambda: Database.open(settings.sqlalchemy_url)).close()
        out.print("The database has the schema of this version.")
