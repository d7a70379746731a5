"""Alerts as they are taken into cases, and what one reading of Kafka brings of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import pyarrow as pa

from paywarden.events.alert_notes import AlertNotes
from paywarden.events.stream_minutes import StreamMinute

RANK: Final[Mapping[str, int]] = {"api": 0, "fallback": 1, "stream": 2}
"""Sources whose decisions act, the strongest first; a shadow decision never becomes an alert."""

NO_NOTES: Final = AlertNotes()
_LONGEST_HEADLINE: Final = 160
"""Characters; a rule's condition can be long, and the case's page shows it whole."""


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
    notes: AlertNotes
    document: bytes

    @property
    def rank(self) -> int:
        """0 for the strongest source."""
        return RANK[self.source]

    @property
    def headline(self) -> str:
        """The list or rule that decided, else the first reason; a fallback says why it has no score."""
        return headline(self.decision, self.score, self.reasons, self.notes)


@dataclass(frozen=True)
class AssumedProbability:
    """The probability of fraud that a decision counts with in the queue where no model made it, by what was decided.

    A decline as likely as not; a review as what is worth a look: in between what models tell of their alerts.
    """

    review: float = 0.1
    decline: float = 0.5

    def expected_loss(self, decision: str, score: float | None, amount: int, *, by_rule: bool = False) -> int:
        """The probability of fraud times the amount, in minor units.

        The probability is the calibrated score. Without one it is assumed; where a list or rule decided, which knows
        what the model does not, it is what is assumed at least.
        """
        assumed = self.decline if decision == "decline" else self.review
        probability = assumed if score is None else max(score, assumed) if by_rule else score
        return round(probability * max(amount, 0))


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


def headline(
    decision: str, score: float | None, reasons: Sequence[tuple[str, str]], notes: AlertNotes = NO_NOTES
) -> str:
    """An alert in one line: why it was decided, and which lists and rules fired besides."""
    if notes.by_rule:
        (name, text), *others = notes.rules
        said, besides = f"{name}: {text}" if text else f"{decision} by {name}", [other for other, _ in others]
    else:
        said, besides = _model_headline(decision, score, reasons), [name for name, _ in notes.rules]
    line = f"{said}; also {', '.join(besides)}" if besides else said
    return line if len(line) <= _LONGEST_HEADLINE else f"{line[: _LONGEST_HEADLINE - 1]}…"


def _model_headline(decision: str, score: float | None, reasons: Sequence[tuple[str, str]]) -> str:
    if score is None:
        why = f": {reasons[0][1]}" if reasons else ""
        return f"no score, {decision} by amount alone{why}"
    return reasons[0][1] if reasons else f"{decision} at score {score:.3f}"


def reasons_json(alert: Alert) -> str:
    """The reasons as they are stored: a JSON list of {code, text}."""
    return orjson.dumps([{"code": code, "text": text} for code, text in alert.reasons]).decode()
