"""Runs the migrations on the connection that :class:`~paywarden.adapters.alerts.database.CaseDatabase` hands over."""

from __future__ import annotations

from alembic import context

from paywarden.adapters.alerts.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
