"""Alerts as they are taken into cases, and what one reading of Kafka brings of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import pyarrow as pa

from paywarden.events.stream_minutes import StreamMinute

RANK: Final[Mapping[str, int]] = {"api": 0, "fallback": 1, "stream": 2}
"""Sources whose decisions act, the strongest first; a shadow decision never becomes an alert."""


@dataclass(frozen=True)
class Alert:
    """A decision that wants somebody's eyes. Times are epoch ms, amounts minor units of the base currency.

    ``raw_score`` and ``score`` are None for a fallback, which no model took part in.
    """

    decision_id: str
    transaction_id: str
    card: str
    source: str
    occurred_at: int
    decided_at: int
    amount: int
    raw_score: float | None
    score: float | None
    expected_loss: int
    decision: str
    bundle_version: str | None
    reasons: tuple[tuple[str, str], ...]
    document: bytes

    @property
    def rank(self) -> int:
        """0 for the strongest source."""
        return RANK[self.source]

    @property
    def headline(self) -> str:
        """The first reason's words, or what was decided where there is none; a fallback says why it has no score."""
        return headline(self.decision, self.score, self.reasons)


@dataclass(frozen=True)
class AssumedProbability:
    """The probability of fraud that a decision without a score counts with in the queue, by what was decided.

    A decline as likely as not; a review as what is worth a look: in between what models tell of their alerts.
    """

    review: float = 0.1
    decline: float = 0.5

    def expected_loss(self, decision: str, score: float | None, amount: int) -> int:
        """The probability of fraud times the amount, in minor units: the calibrated score, or what is assumed."""
        assumed = self.decline if decision == "decline" else self.review
        return round((assumed if score is None else score) * max(amount, 0))


@dataclass(frozen=True)
class Intake:
    """What one reading of a topic brought: rows, and the offsets that it goes from and to, by partition.

    ``known`` holds what the store said before (None: nothing yet), for it to see whether another consumer was quicker.
    """

    topic: str
    known: Mapping[int, int | None]
    reached: Mapping[int, int]
    alerts: Sequence[Alert] = ()
    payments: pa.Table | None = None
    minutes: Sequence[StreamMinute] = ()


def headline(decision: str, score: float | None, reasons: Sequence[tuple[str, str]]) -> str:
    """An alert in one line."""
    if score is None:
        why = f": {reasons[0][1]}" if reasons else ""
        return f"no score, {decision} by amount alone{why}"
    return reasons[0][1] if reasons else f"{decision} at score {score:.3f}"


def reasons_json(alert: Alert) -> str:
    """The reasons as they are stored: a JSON list of {code, text}."""
    return orjson.dumps([{"code": code, "text": text} for code, text in alert.reasons]).decode()
