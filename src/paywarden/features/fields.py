"""Fields: what cells are made of and what a present event is compared by.

A field is a column of int64 and a mask that says where it is present:

- ``amount``, in base-currency minor units, and ``extra_<name>`` for an extra number, in thousandths; in
  squares an amount counts as at most 671,088.63, and an extra number as at most 67,108.863;
- the token of an entity, ``category``, ``channel``, ``country`` and ``extra_<name>`` for an extra category: hashes;
- ``hour`` of the day, 0 to 23, in the catalogue's time zone;
- sorts of transactions, present where they apply: ``declined``; ``small`` and ``round`` amounts; ``newcomer``, a
  routing entity's first transaction with this entity; ``anomaly``, an amount far above the record's own history.

The last two are known only as events are folded: ``newcomer`` from a pair's feature, ``anomaly`` from the record.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from paywarden.events.strings import validity
from paywarden.features.calendar import Calendar
from paywarden.features.events import EventBatch
from paywarden.features.windows import DAY_MS, HOUR_MS

CODES = ("category", "channel", "country")
SORTS = ("declined", "small", "round", "newcomer", "anomaly")
NAMES = ("amount", "hour", *CODES, *SORTS)
"""Every field but the entities and the extras."""

SMALL_BELOW = 500
"""Minor units: card testers probe with amounts that nobody would notice."""
ROUND_STEP = 1_000
"""Minor units: amounts of goods are seldom multiples of ten units of the base currency."""

_THOUSANDTHS = 1_000
_MOST = 10.0**12


def field_columns(
    names: Sequence[str], events: EventBatch, calendar: Calendar
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The columns of these fields, int64 ``[n, v]``, and where they are present, bool ``[n, v]``."""
    values = np.zeros((len(events), len(names)), dtype=np.int64)
    present = np.zeros((len(events), len(names)), dtype=np.bool_)
    for place, name in enumerate(names):
        values[:, place], present[:, place] = _column(name, events, calendar)
    return values, present


def _column(name: str, events: EventBatch, calendar: Calendar) -> tuple[NDArray[np.int64], NDArray[np.bool_] | bool]:
    if name == "amount":
        return events.amount, True
    if name in events.tokens:
        return events.token_hash(name), validity(events.tokens[name])
    if name in events.codes:
        return events.codes[name], events.codes[name] != 0
    if name in events.numbers:
        return _thousandths(events.numbers[name])
    if name == "hour":
        return calendar.local_ms(events.occurred_at) % DAY_MS // HOUR_MS, True
    ones = np.ones(len(events), dtype=np.int64)
    return ones, _sort(name, events)


def _sort(name: str, events: EventBatch) -> NDArray[np.bool_] | bool:
    if name == "declined":
        return events.declined
    if name == "small":
        return events.amount < SMALL_BELOW
    if name == "round":
        return (events.amount > 0) & (events.amount % ROUND_STEP == 0)
    return False  # found while folding


def _thousandths(numbers: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    present = ~np.isnan(numbers)
    scaled = np.clip(np.where(present, numbers, 0.0) * _THOUSANDTHS, -_MOST, _MOST)
    return np.rint(scaled).astype(np.int64), present
