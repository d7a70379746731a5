"""Transactions and labels as the engine sees them: one batch of columns, and the order in which it is folded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.features.aggregations.aggregation import Source
from paywarden.features.hashing import hash_strings


class Kind(IntEnum):
    """What an event is. On equal arrival, labels come first, as their topic's name does."""

    LABEL = 0
    TRANSACTION = 1


class Verdict(IntEnum):
    """What became of an event at the routing-key step; later steps obey it."""

    SCORED = 0
    DUPLICATE = 1
    LABEL_APPLIED = 2
    LABEL_REPEATED = 3


UNOBSERVED = -1
"""The source of an event that enters no record: a reversal, or the label of an honest transaction."""


@dataclass(frozen=True)
class Inputs:
    """What the engine reads of events besides times, amount and identity.

    ``entities`` whose tokens name records; ``codes``: texts known by their hashes (``category``, ``extra_<name>``);
    ``numbers``: floats (``latitude``, ``extra_<name>``).
    """

    entities: tuple[str, ...]
    codes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class EventBatch:
    """``n`` events.

    Times are epoch milliseconds, int64 ``[n]``; ``amount`` is base-currency minor units (0 for labels); ``source`` is
    the :class:`Source` that the event enters records as, or ``UNOBSERVED``; ``declined`` says so of authorisations.
    ``tokens`` maps each entity to a string array ``[n]``, null where the event does not name it; ``codes`` maps texts
    to their XXH64, int64 ``[n]``, 0 where absent; ``numbers`` are float64 ``[n]``, NaN where absent.
    """

    kind: NDArray[np.int8]
    occurred_at: NDArray[np.int64]
    received_at: NDArray[np.int64]
    amount: NDArray[np.int64]
    source: NDArray[np.int8]
    declined: NDArray[np.bool_]
    transaction_id: pa.Array
    routing_key: pa.Array
    tokens: Mapping[str, pa.Array]
    codes: Mapping[str, NDArray[np.int64]]
    numbers: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def as_of(self) -> NDArray[np.int64]:
        """The event's time on its own clock: a transaction's ``occurred_at``, a label's arrival."""
        return np.where(self.kind == Kind.TRANSACTION, self.occurred_at, self.received_at)

    @property
    def id_hash(self) -> NDArray[np.int64]:
        """XXH64 of the transaction id."""
        return hash_strings(self.transaction_id).view(np.int64)


def from_tables(transactions: pa.Table, labels: pa.Table, inputs: Inputs) -> EventBatch:
    """Transactions, then labels, as one batch: canonical tables in, row ``i`` out at the same place."""
    tables, extra = (transactions, labels), labels.num_rows
    return EventBatch(
        kind=np.repeat(np.array([Kind.TRANSACTION, Kind.LABEL], np.int8), [transactions.num_rows, extra]),
        occurred_at=_both(*tables, "occurred_at"),
        received_at=_both(*tables, "received_at"),
        amount=np.concatenate([_int64(transactions, "amount_base"), np.zeros(extra, np.int64)]),
        source=np.concatenate([source_of_transactions(transactions), source_of_labels(labels)]),
        declined=np.concatenate([is_declined(transactions), np.zeros(extra, np.bool_)]),
        transaction_id=_strings(*tables, "transaction_id"),
        routing_key=_strings(*tables, "routing_key"),
        tokens={name: _strings(*tables, f"entity_{name}") for name in inputs.entities},
        codes={
            name: np.concatenate([code_column(transactions[name]), np.zeros(extra, np.int64)]) for name in inputs.codes
        },
        numbers={
            name: np.concatenate([number_column(transactions[name]), np.full(extra, np.nan)]) for name in inputs.numbers
        },
    )


def arrival_order(events: EventBatch) -> NDArray[np.int64]:
    """Rows by (``received_at``, labels first, row), int64 ``[n]``."""
    return np.lexsort((events.kind, events.received_at))


def fold_order(
    events: EventBatch,
    partition: NDArray[np.int32],
    offset: NDArray[np.int64],
    batch: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """The order in which the stream folds: (batch, ``received_at``, labels first, partition, offset), int64 ``[n]``."""
    keys = (offset, partition, events.kind, events.received_at)
    return np.lexsort(keys if batch is None else (*keys, batch))


def source_of_transactions(transactions: pa.Table) -> NDArray[np.int8]:
    """What transactions enter records as: authorisations and refunds do, reversals do not; int8 ``[n]``."""
    sources = np.full(transactions.num_rows, UNOBSERVED, dtype=np.int8)
    for kind, source in (("authorisation", Source.AUTHORISATIONS), ("refund", Source.REFUNDS)):
        sources[_equals(transactions["transaction_type"], kind)] = source
    return sources


def source_of_labels(labels: pa.Table) -> NDArray[np.int8]:
    """What labels enter records as: those of fraud do, int8 ``[n]``."""
    is_fraud = labels["is_fraud"].to_numpy().astype(bool)
    return np.where(is_fraud, Source.FRAUD_LABELS, UNOBSERVED).astype(np.int8)


def is_declined(transactions: pa.Table) -> NDArray[np.bool_]:
    """Which transactions the issuer declined; false where unknown."""
    return _equals(transactions["auth_result"], "declined")


def code_column(texts: pa.ChunkedArray) -> NDArray[np.int64]:
    """XXH64 of each text, 0 where null."""
    return hash_strings(texts).view(np.int64)


def number_column(numbers: pa.ChunkedArray) -> NDArray[np.float64]:
    """Float64 with NaN for null."""
    return numbers.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)


def _equals(column: pa.ChunkedArray, value: str) -> NDArray[np.bool_]:
    return pc.fill_null(pc.equal(column, value), False).to_numpy().astype(np.bool_)


def _int64(table: pa.Table, name: str) -> NDArray[np.int64]:
    return table[name].to_numpy().astype(np.int64, copy=False)


def _both(transactions: pa.Table, labels: pa.Table, name: str) -> NDArray[np.int64]:
    return np.concatenate([_int64(transactions, name), _int64(labels, name)])


def _strings(transactions: pa.Table, labels: pa.Table, name: str) -> pa.Array:
    both = [*transactions[name].chunks, *labels[name].chunks]
    return pa.concat_arrays([pa.array([], pa.string()), *(chunk.cast(pa.string()) for chunk in both)])
