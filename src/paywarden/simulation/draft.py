"""Draft: payments as plain columns of integers, before tokens, delays and Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from paywarden.events.schema import CHANNELS

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000

PATTERNS = ("account_takeover", "card_testing", "merchant_collusion", "geographic_anomaly")
"""The fraud patterns; a draft's `pattern` is the position in this tuple, or GENUINE."""

GENUINE = -1

IN_PERSON, ONLINE, ATM, MAIL_OR_PHONE = map(CHANNELS.index, ("in_person", "online", "atm", "mail_or_phone"))


@dataclass(frozen=True)
class Draft:
    """Rows of payments, one array a column, all of one length.

    `card` and `merchant` are positions in the population, `occurred_ms` counts from the world's start,
    `amount` is in minor units, `channel` and `pattern` are positions in the event schema's CHANNELS and in PATTERNS.
    `device` is 0 except for frauds online: what a genuine payment is made from is settled in :mod:`.devices`.
    """

    card: NDArray[np.int32]
    merchant: NDArray[np.int32]
    occurred_ms: NDArray[np.int64]
    amount: NDArray[np.int64]
    channel: NDArray[np.int8]
    declined: NDArray[np.bool_]
    refund: NDArray[np.bool_]
    pattern: NDArray[np.int8]
    device: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.card)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Draft:
        """These rows, by position or by mask, in that order."""
        return Draft(*(getattr(self, column.name)[rows] for column in fields(self)))

    def within(self, day: int) -> Draft:
        """The rows that occur on this day of the world."""
        return self.take(self.occurred_ms // DAY_MS == day)


def draft(
    card: NDArray[np.integer],
    merchant: NDArray[np.integer],
    occurred_ms: NDArray[np.integer] | NDArray[np.floating],
    amount: NDArray[np.int64],
    channel: NDArray[np.integer],
    declined: NDArray[np.bool_],
    pattern: int,
    *,
    refund: bool = False,
    device: NDArray[np.uint64] | None = None,
) -> Draft:
    """A draft of one pattern and one kind, its columns cast to their types."""
    rows = len(card)
    return Draft(
        card=card.astype(np.int32, copy=False),
        merchant=merchant.astype(np.int32, copy=False),
        occurred_ms=occurred_ms.astype(np.int64, copy=False),
        amount=amount,
        channel=channel.astype(np.int8, copy=False),
        declined=declined,
        refund=np.full(rows, refund),
        pattern=np.full(rows, pattern, dtype=np.int8),
        device=np.zeros(rows, dtype=np.uint64) if device is None else device,
    )


def concat(drafts: Sequence[Draft]) -> Draft:
    """The rows of all drafts, one after the other; at least one draft is needed."""
    return Draft(*(np.concatenate([getattr(d, column.name) for d in drafts]) for column in fields(Draft)))
