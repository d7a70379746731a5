"""An alert's line of the queue is made when it is taken: its list or rule is no column of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; alerts that are there get their first reason, or what was decided."""
    op.add_column("alerts", sa.Column("headline", sa.Text(), nullable=False, server_default=""))
    postgresql = op.get_bind().dialect.name == "postgresql"
    reason = "reasons::json->0->>'text'" if postgresql else "json_extract(reasons, '$[0].text')"
    at_score = "decision || ' at score ' || CAST(round(CAST(score AS numeric), 3) AS text)"
    op.execute(f"UPDATE alerts SET headline = COALESCE({reason}, {at_score}, decision)")  # noqa: S608 -- no user's text


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("alerts") as batch:
        batch.drop_column("headline")
