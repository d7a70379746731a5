"""Transactions and labels as the engine sees them: one batch of columns, and the order in which it is folded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events.strings import one_array
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

_LABEL, _TRANSACTION = int(Kind.LABEL), int(Kind.TRANSACTION)
_SOURCES = (
    (pa.scalar("authorisation"), int(Source.AUTHORISATIONS)),
    (pa.scalar("refund"), int(Source.REFUNDS)),
)
_DECLINED = pa.scalar("declined")


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

    @cached_property
    def as_of(self) -> NDArray[np.int64]:
        """The event's time on its own clock: a transaction's ``occurred_at``, a label's arrival."""
        return np.where(self.kind == _TRANSACTION, self.occurred_at, self.received_at)

    @property
    def id_hash(self) -> NDArray[np.int64]:
        """XXH64 of the transaction id."""
        return hash_strings(self.transaction_id).view(np.int64)

    def token_hash(self, entity: str) -> NDArray[np.int64]:
        """XXH64 of the entity's tokens, 0 where absent; several records ask for it, and it is made once."""
        if entity not in self._token_hashes:
            self._token_hashes[entity] = hash_strings(self.tokens[entity]).view(np.int64)
        return self._token_hashes[entity]

    @cached_property
    def _token_hashes(self) -> dict[str, NDArray[np.int64]]:
        return {}


def from_tables(transactions: pa.Table, labels: pa.Table, inputs: Inputs) -> EventBatch:
    """Transactions, then labels, as one batch: canonical tables in, row ``i`` out at the same place."""
    first, second = from_transactions(transactions, inputs), _from_labels(labels, inputs)
    return EventBatch(
        kind=np.concatenate([first.kind, second.kind]),
        occurred_at=np.concatenate([first.occurred_at, second.occurred_at]),
        received_at=np.concatenate([first.received_at, second.received_at]),
        amount=np.concatenate([first.amount, second.amount]),
        source=np.concatenate([first.source, second.source]),
        declined=np.concatenate([first.declined, second.declined]),
        transaction_id=pa.concat_arrays([first.transaction_id, second.transaction_id]),
        routing_key=pa.concat_arrays([first.routing_key, second.routing_key]),
        tokens={name: pa.concat_arrays([first.tokens[name], second.tokens[name]]) for name in inputs.entities},
        codes={name: np.concatenate([first.codes[name], second.codes[name]]) for name in inputs.codes},
        numbers={name: np.concatenate([first.numbers[name], second.numbers[name]]) for name in inputs.numbers},
    )


def from_transactions(transactions: pa.Table, inputs: Inputs) -> EventBatch:
    """Transactions as a batch: a canonical table in, row ``i`` out at the same place."""
    return EventBatch(
        kind=np.full(transactions.num_rows, _TRANSACTION, np.int8),
        occurred_at=_int64(transactions, "occurred_at"),
        received_at=_int64(transactions, "received_at"),
        amount=_int64(transactions, "amount_base"),
        source=source_of_transactions(transactions),
        declined=is_declined(transactions),
        transaction_id=_strings(transactions, "transaction_id"),
        routing_key=_strings(transactions, "routing_key"),
        tokens={name: _strings(transactions, f"entity_{name}") for name in inputs.entities},
        codes={name: code_column(transactions[name]) for name in inputs.codes},
        numbers={name: number_column(transactions[name]) for name in inputs.numbers},
    )


def _from_labels(labels: pa.Table, inputs: Inputs) -> EventBatch:
    rows = labels.num_rows
    return EventBatch(
        kind=np.full(rows, _LABEL, np.int8),
        occurred_at=_int64(labels, "occurred_at"),
        received_at=_int64(labels, "received_at"),
        amount=np.zeros(rows, np.int64),
        source=source_of_labels(labels),
        declined=np.zeros(rows, np.bool_),
        transaction_id=_strings(labels, "transaction_id"),
        routing_key=_strings(labels, "routing_key"),
        tokens={name: _strings(labels, f"entity_{name}") for name in inputs.entities},
        codes={name: np.zeros(rows, np.int64) for name in inputs.codes},
        numbers={name: np.full(rows, np.nan) for name in inputs.numbers},
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
    for kind, source in _SOURCES:
        sources[_equals(transactions["transaction_type"], kind)] = source
    return sources


def source_of_labels(labels: pa.Table) -> NDArray[np.int8]:
    """What labels enter records as: those of fraud do, int8 ``[n]``."""
    is_fraud = labels["is_fraud"].to_numpy().astype(bool)
    return np.where(is_fraud, Source.FRAUD_LABELS, UNOBSERVED).astype(np.int8)


def is_declined(transactions: pa.Table) -> NDArray[np.bool_]:
    """Which transactions the issuer declined; false where unknown."""
    return _equals(transactions["auth_result"], _DECLINED)


def code_column(texts: pa.ChunkedArray) -> NDArray[np.int64]:
    """XXH64 of each text, 0 where null."""
    return hash_strings(texts).view(np.int64)


def number_column(numbers: pa.ChunkedArray) -> NDArray[np.float64]:
    """Float64 with NaN for null."""
    return one_array(numbers).cast(pa.float64()).to_numpy(zero_copy_only=False)


def _equals(column: pa.ChunkedArray, value: pa.Scalar) -> NDArray[np.bool_]:
    values = one_array(column)
    equal = pc.equal(values, value)
    return (equal.fill_null(False) if values.null_count else equal).to_numpy(zero_copy_only=False)


def _int64(table: pa.Table, name: str) -> NDArray[np.int64]:
    return one_array(table[name]).to_numpy().astype(np.int64, copy=False)


def _strings(table: pa.Table, name: str) -> pa.Array:
    values = one_array(table[name])
    return values if values.type == pa.string() else values.cast(pa.string())
