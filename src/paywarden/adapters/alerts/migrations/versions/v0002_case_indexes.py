"""What an analyst's own cases, and a card's by its last characters, are found by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a column with the end of each card's token, and two indexes."""
    op.add_column("cases", sa.Column("card_end", sa.String(), nullable=False, server_default=""))
    end = "CASE WHEN length(card) > 4 THEN substr(card, length(card) - 3) ELSE card END"
    op.execute(f"UPDATE cases SET card_end = {end}")  # noqa: S608 -- no text of a user's
    order = ["expected_loss", "case_id"]  # as pages are: an index that gives no order is passed over for one that does
    op.create_index("cases_by_card_end", "cases", ["status", "card_end", *order], unique=False)
    op.create_index("cases_of_assignee", "cases", ["assignee", "status", *order], unique=False)
