"""Verdicts: which payments get a label, from whom, how late and how right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.events.schema import LABEL_SOURCES, EventSchema
from paywarden.simulation.draft import DAY_MS, GENUINE, HOUR_MS, MINUTE_MS
from paywarden.simulation.tables import pattern_names

_CHARGEBACK, _ANALYST, _ISSUER_REPORT = map(LABEL_SOURCES.index, ("chargeback", "analyst", "issuer_report"))
# Who reports a fraud, (chargeback, analyst, issuer report): nobody disputes money that did not move.
_REPORTED_BY_IF_APPROVED = np.cumsum([0.60, 0.20, 0.20])
_REPORTED_BY_IF_DECLINED = np.cumsum([0.0, 0.40, 0.60])
_CHARGEBACK_MEDIAN_MS, _CHARGEBACK_SIGMA, _CHARGEBACK_MS = 6.5 * DAY_MS, 0.45, (DAY_MS, 45 * DAY_MS)
_ANALYST_MS = (HOUR_MS, DAY_MS)
_ISSUER_MS = (DAY_MS, 3 * DAY_MS)
_TRANSPORT_MS = (200, 5 * MINUTE_MS)
LONGEST_MS = _CHARGEBACK_MS[1] + _TRANSPORT_MS[1]
"""No label reaches us later than this after its transaction did."""


@dataclass(frozen=True)
class Reporting:
    """How much of the truth is told.

    `unreported`: share of frauds that nobody ever reports. `cleared`: share of honest payments that an analyst looks
    at and calls legitimate. `wrong`: share of labels that say the opposite of the truth.
    """

    unreported: float = 0.08
    cleared: float = 0.003
    wrong: float = 0.001


def label_table(
    rng: np.random.Generator,
    schema: EventSchema,
    reporting: Reporting,
    transactions: pa.Table,
    pattern: NDArray[np.int8],
    declined: NDArray[np.bool_],
) -> pa.Table:
    """Canonical labels of a day's transactions, by received_at: at most one each, with the pattern of a true fraud."""
    fraud = pattern != GENUINE
    told = np.flatnonzero(rng.random(len(fraud)) < np.where(fraud, 1 - reporting.unreported, reporting.cleared))
    says_fraud = fraud[told] ^ (rng.random(len(told)) < reporting.wrong)
    source = np.where(says_fraud, _reported_by(rng, declined[told]), _ANALYST)
    known_at = transactions["received_at"].to_numpy()[told]
    labelled_at = known_at + _delays_ms(rng, source)
    received_at = labelled_at + rng.integers(*_TRANSPORT_MS, size=len(told))
    order = np.argsort(received_at, kind="stable")
    named = np.where(says_fraud, pattern[told], np.int8(GENUINE))
    of_transaction = transactions.select(["transaction_id", "occurred_at", "routing_key", *schema.entity_columns])
    columns = dict(zip(of_transaction.column_names, of_transaction.take(told[order]).columns, strict=True))
    columns |= {
        "labelled_at": labelled_at[order],
        "received_at": received_at[order],
        "is_fraud": says_fraud[order],
        "source": pa.array(LABEL_SOURCES).take(pa.array(source[order])),
        "pattern": pattern_names(named[order]),
    }
    canonical = schema.label_schema()
    return pa.table({name: columns[name] for name in canonical.names}, schema=canonical)


def _reported_by(rng: np.random.Generator, declined: NDArray[np.bool_]) -> NDArray[np.int64]:
    u = rng.random(len(declined))
    return np.where(
        declined, np.searchsorted(_REPORTED_BY_IF_DECLINED, u), np.searchsorted(_REPORTED_BY_IF_APPROVED, u)
    )


def _delays_ms(rng: np.random.Generator, source: NDArray[np.int64]) -> NDArray[np.int64]:
    rows = len(source)
    chargeback = _CHARGEBACK_MEDIAN_MS * np.exp(_CHARGEBACK_SIGMA * rng.standard_normal(rows))
    analyst = np.exp(rng.uniform(np.log(_ANALYST_MS[0]), np.log(_ANALYST_MS[1]), size=rows))
    issuer = rng.uniform(*_ISSUER_MS, size=rows)
    delays = np.choose(source, _by_source(np.clip(chargeback, *_CHARGEBACK_MS), analyst, issuer))
    return delays.astype(np.int64)


def _by_source(
    chargeback: NDArray[np.float64], analyst: NDArray[np.float64], issuer: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    placed = {_CHARGEBACK: chargeback, _ANALYST: analyst, _ISSUER_REPORT: issuer}
    return [placed[position] for position in range(len(LABEL_SOURCES))]
