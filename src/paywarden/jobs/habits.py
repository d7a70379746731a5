"""What is usual for a card, beside what it did now: figures an analyst compares at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from paywarden.events.cases import Payment

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_FEW: Final = 5
"""With fewer earlier payments nothing is called usual."""


@dataclass(frozen=True)
class Habit:
    """One comparison: what of, this payment's value, what is usual, and whether it stands out."""

    what: str
    now: str
    usual: str
    stands_out: bool


def habits(payments: Sequence[Payment], transaction_id: str, occurred_at: int, amount: int) -> list[Habit]:
    """How a payment compares with the card's earlier ones among ``payments``; none where these are too few."""
    before = [p for p in payments if p.occurred_at < occurred_at and p.transaction_id != transaction_id]
    if len(before) < _FEW:
        return []
    mine = next((p for p in payments if p.transaction_id == transaction_id), None)
    found = [_amount(before, amount), _pace(before, occurred_at), _hour(before, occurred_at)]
    return [*found, _merchant(before, mine.merchant)] if mine and mine.merchant else found


def _amount(before: Sequence[Payment], amount: int) -> Habit:
    amounts = [p.amount for p in before]
    usual, most = median(amounts), max(amounts)
    words = f"{_money(usual)} in the middle, {_money(most)} at most"
    return Habit("Amount", _money(amount), words, amount > max(3 * usual, most))


def _pace(before: Sequence[Payment], occurred_at: int) -> Habit:
    last_day = sum(1 for p in before if p.occurred_at >= occurred_at - _DAY_MS) + 1
    days = max((occurred_at - before[0].occurred_at) / _DAY_MS, 1.0)
    usual = len(before) / days
    return Habit("Payments in 24 hours", f"{last_day}", f"{usual:.1f} a day", last_day > max(3 * usual, 3))


def _hour(before: Sequence[Payment], occurred_at: int) -> Habit:
    hour = occurred_at // _HOUR_MS % 24
    near = sum(1 for p in before if (p.occurred_at // _HOUR_MS - hour + 2) % 24 <= 4)
    share = near / len(before)
    return Habit(
        "Time of day (UTC)", f"{hour:02d}:00 to {hour:02d}:59", f"{share:.0%} within two hours of it", share < 0.05
    )


def _merchant(before: Sequence[Payment], merchant: str) -> Habit:
    times, known = sum(1 for p in before if p.merchant == merchant), len({p.merchant for p in before})
    now = f"paid there {_times(times, 'time')} before" if times else "first payment there"
    usual = f"{_times(known, 'merchant')} in {_times(len(before), 'payment')}"
    return Habit("Merchant", now, usual, not times and known < len(before) / 3)


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _money(minor: float) -> str:
    return f"{minor / 100:,.2f}"
