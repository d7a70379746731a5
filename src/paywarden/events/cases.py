"""What an analyst does with a case: what they see of it, and the labels that a verdict becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from paywarden.errors import DataError
from paywarden.events.alert_notes import AlertNotes
from paywarden.events.decision import decode_decisions
from paywarden.events.encoding import encode_labels, routing_keys
from paywarden.events.schema import EventSchema

Verdict = Literal["fraud", "legitimate", "unsure"]
VERDICTS: Final[tuple[Verdict, ...]] = ("fraud", "legitimate", "unsure")
ANALYST: Final = "analyst"


@dataclass(frozen=True)
class CaseRow:
    """A case as the queue lists it; times are epoch ms, amounts minor units of the base currency.

    ``top_score`` is None where none of its alerts has a score, ``headline`` that of the costliest one.
    """

    case_id: int
    card: str
    status: str
    opened_at: int
    updated_at: int
    latest_at: int
    alerts: int
    amount: int
    expected_loss: int
    top_score: float | None
    headline: str
    assignee: str | None
    verdict: str | None


@dataclass(frozen=True)
class CaseAlert:
    """An alert of a case; ``reasons`` are pairs of code and words, ``document`` the whole message.

    ``score`` is None for a fallback, ``headline`` says in one line why it was decided.
    """

    decision_id: str
    transaction_id: str
    source: str
    occurred_at: int
    decided_at: int
    amount: int
    score: float | None
    expected_loss: int
    decision: str
    bundle_version: str | None
    reasons: tuple[tuple[str, str], ...]
    headline: str
    document: bytes
    acts: bool
    verdict: str | None

    @property
    def notes(self) -> AlertNotes:
        """What the message says beyond the decision."""
        return AlertNotes.of(self.document)


@dataclass(frozen=True)
class CaseEvent:
    """A line of a case's history: who did what."""

    at: int
    actor: str
    kind: str
    text: str


@dataclass(frozen=True)
class Case:
    """A case with all that belongs to it, alerts by time, history from the start."""

    row: CaseRow
    alerts: tuple[CaseAlert, ...]
    events: tuple[CaseEvent, ...]


@dataclass(frozen=True)
class Payment:
    """A payment of a card, for its timeline; ``score`` is None where a fallback decided."""

    transaction_id: str
    merchant: str | None
    occurred_at: int
    amount: int
    score: float | None
    decision: str


@dataclass(frozen=True)
class QueuedLabel:
    """A verdict on its way to the labels topic; ``sought_from`` says where the topic ended before it was first sent."""

    label_id: int
    key: bytes
    value: bytes
    sought_from: Mapping[int, int] | None


def label_message(document: bytes, schema: EventSchema, *, is_fraud: bool, at: int) -> tuple[bytes, bytes]:
    """Key and value of an analyst's label on the transaction of a decision's message, given at ``at`` (epoch ms).

    Raises DataError for a message that is no decision.
    """
    decision = decode_decisions([document], schema)
    occurred_at = decision["occurred_at"][0].as_py()
    if occurred_at is None:
        raise DataError("an alert without the time of its payment cannot be labelled; look at the alerts topic")
    routing = decision[f"entity_{schema.routing_entity}"][0].as_py() if schema.routing_entity else None
    columns = {
        "transaction_id": decision["transaction_id"].combine_chunks(),
        "occurred_at": pa.array([occurred_at], pa.int64()),
        # A verdict cannot come before its payment, even where clocks differ.
        "labelled_at": pa.array([max(at, occurred_at)], pa.int64()),
        "received_at": pa.array(np.array([max(at, occurred_at)])),
        "routing_key": pa.array([routing or decision["transaction_id"][0].as_py()]),
        **{name: decision[name].combine_chunks() for name in schema.entity_columns},
        "is_fraud": pa.array([is_fraud]),
        "source": pa.array([ANALYST]),
        "pattern": pa.array([None], pa.string()),
    }
    labels = pa.table([columns[field.name] for field in schema.label_schema()], schema=schema.label_schema())
    return routing_keys(labels)[0], encode_labels(labels, schema)[0]
