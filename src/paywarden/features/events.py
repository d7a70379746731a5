"""Transactions and labels as the engine sees them: one ordered batch of numpy columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class EventBatch:
    """``n`` events in the order in which they are folded.

    Times are epoch milliseconds, int64 ``[n]``; ``amount`` is base-currency minor units (0 for labels);
    ``observes`` says whether the event enters the state (authorisations and fraud labels do); ``tokens`` maps each
    entity to a string array of length ``n``, null where the event does not name it.
    """

    kind: NDArray[np.int8]
    occurred_at: NDArray[np.int64]
    received_at: NDArray[np.int64]
    amount: NDArray[np.int64]
    observes: NDArray[np.bool_]
    transaction_id: pa.Array
    routing_key: pa.Array
    tokens: Mapping[str, pa.Array]

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

    def take(self, order: NDArray[np.int64]) -> EventBatch:
        """The events at these positions, in this order."""
        rows = pa.array(order)
        return EventBatch(
            kind=self.kind[order],
            occurred_at=self.occurred_at[order],
            received_at=self.received_at[order],
            amount=self.amount[order],
            observes=self.observes[order],
            transaction_id=self.transaction_id.take(rows),
            routing_key=self.routing_key.take(rows),
            tokens={name: token.take(rows) for name, token in self.tokens.items()},
        )


def from_tables(transactions: pa.Table, labels: pa.Table, entities: tuple[str, ...]) -> EventBatch:
    """Transactions, then labels, as one batch (unordered): canonical tables in, row ``i`` out at the same place."""
    return EventBatch(
        kind=np.repeat(np.array([Kind.TRANSACTION, Kind.LABEL], np.int8), [transactions.num_rows, labels.num_rows]),
        occurred_at=_both(transactions, labels, "occurred_at"),
        received_at=_both(transactions, labels, "received_at"),
        amount=np.concatenate([_int64(transactions, "amount_base"), np.zeros(labels.num_rows, np.int64)]),
        observes=np.concatenate([authorises(transactions), labels["is_fraud"].to_numpy()]).astype(bool),
        transaction_id=_strings(transactions, labels, "transaction_id"),
        routing_key=_strings(transactions, labels, "routing_key"),
        tokens={name: _strings(transactions, labels, f"entity_{name}") for name in entities},
    )


def fold_order(
    events: EventBatch,
    partition: NDArray[np.int32],
    offset: NDArray[np.int64],
    batch: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """The order in which the stream folds: (batch, ``received_at``, labels first, partition, offset), int64 ``[n]``."""
    keys = (offset, partition, events.kind, events.received_at)
    return np.lexsort(keys if batch is None else (*keys, batch))


def authorises(transactions: pa.Table) -> NDArray[np.bool_]:
    """Which transactions enter velocity features: authorisations do, refunds and reversals do not."""
    return pc.equal(transactions["transaction_type"], "authorisation").to_numpy(zero_copy_only=False)


def _int64(table: pa.Table, name: str) -> NDArray[np.int64]:
    return table[name].to_numpy().astype(np.int64)


def _both(transactions: pa.Table, labels: pa.Table, name: str) -> NDArray[np.int64]:
    return np.concatenate([_int64(transactions, name), _int64(labels, name)])


def _strings(transactions: pa.Table, labels: pa.Table, name: str) -> pa.Array:
    both = [*transactions[name].chunks, *labels[name].chunks]
    return pa.concat_arrays([pa.array([], pa.string()), *(chunk.cast(pa.string()) for chunk in both)])
