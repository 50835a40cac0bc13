"""Alembic's entry: runs on the connection that database.py hands over."""

from __future__ import annotations

from alembic import context

from schoolbeat_server import schema

context.configure(
    connection=context.config.attributes["connection"], target_metadata=schema.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
