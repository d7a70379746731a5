"""Alerts on their way to a webhook: what is posted, and how that can fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paywarden.errors import PaywardenError
from paywarden.events.cases import CaseAlert
from paywarden.events.masking import masked, shown_entities


class PostRefused(PaywardenError):
    """The webhook's receiver refuses this alert for good. Correct cases.webhook_url, or the receiver."""


class PostFailed(PaywardenError):
    """The webhook's receiver did not take an alert now. It is tried again; look at the receiver if it goes on."""


@dataclass(frozen=True)
class DuePost:
    """An alert that is to be posted, its case and card, and how often that was tried."""

    alert: CaseAlert
    case_id: int
    card: str
    attempts: int

    def body(self) -> dict[str, Any]:
        """What is posted; tokens of the customer are masked. ``score`` is null for a fallback."""
        alert, notes = self.alert, self.alert.notes
        return {
            "decision_id": alert.decision_id,
            "case_id": self.case_id,
            "transaction_id": alert.transaction_id,
            "card": masked(self.card),
            "occurred_at": alert.occurred_at,
            "amount": alert.amount,
            "score": alert.score,
            "expected_loss": alert.expected_loss,
            "decision": alert.decision,
            "source": alert.source,
            "headline": alert.headline,
            "rules": [{"name": name, "text": text} for name, text in notes.rules],
            "without_rules": notes.without_rules,
            "transaction": dict(notes.transaction),
            "entities": shown_entities(notes.entities),
            "reasons": [{"code": code, "text": text} for code, text in alert.reasons],
        }
