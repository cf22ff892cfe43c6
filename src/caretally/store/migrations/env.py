"""Runs the migrations on the connection that `store.opening` gives, inside its transaction and lock."""

from __future__ import annotations

from alembic import context

from caretally.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
