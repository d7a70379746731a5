"""Scores may be absent: a fallback decides without a model."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SCORES: Final = (("cases", ("top_score",)), ("alerts", ("raw_score", "score")), ("payments", ("score",)))


def upgrade() -> None:
    """Let each score be null. SQLite makes such a table anew, PostgreSQL changes its column."""
    _set_nullable(True)


def downgrade() -> None:
    """Ask for each score again; an absent one becomes 0."""
    for table, columns in _SCORES:
        for column in columns:
            op.execute(f"UPDATE {table} SET {column} = 0 WHERE {column} IS NULL")  # noqa: S608 -- no text of a user's
    _set_nullable(False)


def _set_nullable(nullable: bool) -> None:
    for table, columns in _SCORES:
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.alter_column(column, existing_type=sa.Double(), nullable=nullable)
