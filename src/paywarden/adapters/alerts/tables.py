"""The tables of alerts and cases. Times are epoch ms UTC, amounts minor units of the base currency.

The schema is made and changed by the migrations beside this file; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

OPEN: Final = "open"
UNSURE: Final = "unsure"
CLOSED: Final = "closed"

metadata = MetaData()
CARD_END: Final = 4
"""Characters of a card's token that pages show, and that cases are found by."""

_Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in a column of type INTEGER

offsets = Table(
    "consumed_offsets",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", _Key, primary_key=True, autoincrement=True),
    Column("card", String, nullable=False),
    Column("status", String, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("latest_at", BigInteger, nullable=False),  # of the latest alerted payment
    Column("alerts", Integer, nullable=False),  # that act and bear no verdict yet, or all of them once it is closed
    Column("amount", BigInteger, nullable=False),  # of these
    Column("expected_loss", BigInteger, nullable=False),  # of these
    Column("top_score", Double),  # null where none of these has a score
    Column("headline", Text, nullable=False),  # of the costliest alert
    Column("assignee", String),
    Column("verdict", String),
    Column("card_end", String, nullable=False, server_default=""),  # its last CARD_END characters
    Index("cases_by_loss", "status", "expected_loss", "case_id"),  # read backwards
    Index("cases_of_card", "card"),
    Index("cases_by_card_end", "status", "card_end", "expected_loss", "case_id"),
    Index("cases_of_assignee", "assignee", "status", "expected_loss", "case_id"),
    Index("cases_by_change", "updated_at"),
    Index(
        "one_open_case_a_card",
        "card",
        unique=True,
        sqlite_where=text("status <> 'closed'"),
        postgresql_where=text("status <> 'closed'"),
    ),
)

alerts = Table(
    "alerts",
    metadata,
    Column("decision_id", String, primary_key=True),
    Column("case_id", _Key, ForeignKey("cases.case_id"), nullable=False),
    Column("transaction_id", String, nullable=False),
    Column("card", String, nullable=False),
    Column("source", String, nullable=False),
    Column("acts", Boolean, nullable=False),  # whether it is the acting decision of its transaction
    Column("occurred_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("raw_score", Double),  # this and the next: null for a fallback
    Column("score", Double),
    Column("expected_loss", BigInteger, nullable=False),
    Column("decision", String, nullable=False),
    Column("bundle_version", String),
    Column("reasons", Text, nullable=False),  # a JSON list of {code, text}
    Column("headline", Text, nullable=False, server_default=""),  # why it was decided, in one line
    Column("document", LargeBinary, nullable=False),  # the whole message
    Column("verdict", String),
    Column("verdict_at", BigInteger),
    Index("alerts_of_case", "case_id"),
    Index("alerts_of_transaction", "transaction_id"),
)

case_events = Table(
    "case_events",
    metadata,
    Column("event_id", _Key, primary_key=True, autoincrement=True),
    Column("case_id", _Key, ForeignKey("cases.case_id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
    Index("events_of_case", "case_id"),
)

payments = Table(
    "payments",
    metadata,
    Column("transaction_id", String, primary_key=True),
    Column("card", String, nullable=False),
    Column("merchant", String),
    Column("rank", Integer, nullable=False),  # of the decision's source, 0 the strongest
    Column("occurred_at", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("score", Double),  # null where a fallback decided
    Column("decision", String, nullable=False),
    Index("payments_of_card", "card", "occurred_at"),
    Index("payments_by_time", "occurred_at"),
)

stream_minutes = Table(
    "stream_minutes",
    metadata,
    Column("minute", BigInteger, primary_key=True),  # of deciding: epoch ms ÷ 60,000
    Column("approved", BigInteger, nullable=False),
    Column("reviewed", BigInteger, nullable=False),
    Column("declined", BigInteger, nullable=False),
    Column("latencies", Text, nullable=False),  # a JSON list: decisions by bucket of `events.stream_minutes.BUCKETS_MS`
)

label_outbox = Table(
    "label_outbox",
    metadata,
    Column("label_id", _Key, primary_key=True, autoincrement=True),
    Column("case_id", _Key, ForeignKey("cases.case_id"), nullable=False),
    Column("transaction_id", String, nullable=False),
    Column("is_fraud", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("sought_from", Text),  # a JSON object: where the topic's partitions ended before it was sent
    Column("sent_at", BigInteger),
    Index("labels_to_send", "label_id", sqlite_where=text("sent_at IS NULL"), postgresql_where=text("sent_at IS NULL")),
)

webhook_outbox = Table(
    "webhook_outbox",
    metadata,
    Column("decision_id", String, ForeignKey("alerts.decision_id"), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger),  # null: delivered, or given up
    Column("delivered_at", BigInteger),
    Column("last_error", Text),
    Index("posts_that_are_due", "next_at"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("until", BigInteger, nullable=False),
)

users = Table(
    "console_users",
    metadata,
    Column("name", String, primary_key=True),
    Column("password_hash", String, nullable=False),
    Column("role", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", BigInteger, nullable=False),
)

sessions = Table(
    "console_sessions",
    metadata,
    Column("token_hash", String, primary_key=True),
    Column("user", String, ForeignKey("console_users.name", ondelete="CASCADE"), nullable=False),
    Column("csrf", String, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
