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
    """A decision that wants somebody's eyes. Times are epoch ms, amounts minor units of the base currency."""

    decision_id: str
    transaction_id: str
    card: str
    source: str
    occurred_at: int
    decided_at: int
    amount: int
    raw_score: float
    score: float
    decision: str
    bundle_version: str | None
    reasons: tuple[tuple[str, str], ...]
    document: bytes

    @property
    def expected_loss(self) -> int:
        """The calibrated probability of fraud times the amount, in minor units."""
        return round(self.score * max(self.amount, 0))

    @property
    def rank(self) -> int:
        """0 for the strongest source."""
        return RANK[self.source]

    @property
    def headline(self) -> str:
        """The first reason's words, or what was decided where there is none."""
        return self.reasons[0][1] if self.reasons else f"{self.decision} at score {self.score:.3f}"


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


def reasons_json(alert: Alert) -> str:
    """The reasons as they are stored: a JSON list of {code, text}."""
    return orjson.dumps([{"code": code, "text": text} for code, text in alert.reasons]).decode()
