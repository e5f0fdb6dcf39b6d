"""Alembic's entry point: runs the migrations on the connection that `app.knowledge.database` hands over."""

from alembic import context

from app.knowledge.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
