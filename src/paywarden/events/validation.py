"""Transactions and labels as they come from Kafka: the valid ones as canonical columns, the others with a reason.

Total: no bytes make it raise, and every input row is in exactly one of the two. A row's verdict and values depend on
its own bytes and timestamp only, so garbage beside it changes nothing. First the message must be well formed
(:mod:`paywarden.events.wire`), then its values must keep the rules (:mod:`paywarden.events.rules`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import DEFAULT_LIMITS, Limits
from paywarden.events.message_fields import label_fields, transaction_fields
from paywarden.events.rules import Checked, Columns, check_labels, check_transactions
from paywarden.events.schema import EventSchema
from paywarden.events.strings import one_array
from paywarden.events.wire import Refusals, read_rows


@dataclass(frozen=True)
class Parsed:
    """The valid rows as canonical columns with their input positions, and the rejected positions with their reasons.

    ``positions`` int64 [V] and ``rejected`` int64 [R] are ascending and together hold each input position once;
    ``reasons`` (codes of :mod:`paywarden.events.reasons`) and ``details`` (for humans: the field and what is expected,
    never a card number) go with ``rejected``.
    """

    rows: pa.Table
    positions: NDArray[np.int64]
    rejected: NDArray[np.int64]
    reasons: list[str]
    details: list[str]


def parse_transactions(
    values: pa.BinaryArray,
    timestamps_ms: NDArray[np.int64],
    schema: EventSchema,
    currencies: CurrencyTable,
    limits: Limits = DEFAULT_LIMITS,
) -> Parsed:
    """Transactions of Kafka values [N]; ``timestamps_ms`` [N] are the records' own and stand in for ``received_at``."""
    values = one_array(values)
    table, positions, refusals = read_rows(values, transaction_fields(schema), limits.max_message_bytes)
    columns = _columns(table, timestamps_ms[positions])
    return _parsed(check_transactions(columns, schema, currencies, limits), positions, refusals)


def parse_labels(
    values: pa.BinaryArray,
    timestamps_ms: NDArray[np.int64],
    schema: EventSchema,
    limits: Limits = DEFAULT_LIMITS,
) -> Parsed:
    """Labels of Kafka values [N]; ``timestamps_ms`` [N] are the records' own and stand in for ``received_at``."""
    values = one_array(values)
    table, positions, refusals = read_rows(values, label_fields(schema), limits.max_message_bytes)
    columns = _columns(table, timestamps_ms[positions])
    return _parsed(check_labels(columns, schema, limits), positions, refusals)


def _columns(table: pa.Table, timestamps_ms: NDArray[np.int64]) -> Columns:
    """The canonical columns in a table of message fields: structs laid out flat, ``received_at`` filled in."""
    columns: Columns = {}
    for name in table.column_names:
        array = one_array(table.column(name))
        if name == "entities":
            columns |= _subfields(array, "entity")
        elif name in {"extra_numbers", "extra_categories"}:
            columns |= _subfields(array, "extra")
        else:
            columns[name] = array
    if columns["received_at"].null_count:
        columns["received_at"] = pc.coalesce(columns["received_at"], pa.array(timestamps_ms, pa.int64()))
    return columns


def _subfields(struct: pa.StructArray, prefix: str) -> Columns:
    return dict(zip((f"{prefix}_{f.name}" for f in struct.type), struct.flatten(), strict=True))


def _parsed(checked: Checked, positions: NDArray[np.int64], refusals: Refusals) -> Parsed:
    refusals = {**refusals, **{int(positions[i]): reason for i, reason in checked.refused.items()}}
    rejected = sorted(refusals)
    return Parsed(
        rows=checked.rows,
        positions=positions[checked.kept],
        rejected=np.array(rejected, dtype=np.int64),
        reasons=[refusals[i][0] for i in rejected],
        details=[refusals[i][1] for i in rejected],
    )
