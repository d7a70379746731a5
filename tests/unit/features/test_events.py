import numpy as np
import pyarrow as pa
import pytest
from tests.parity.streams import SCHEMA, START_MS, Draft, build

from paywarden.features.events import Kind, authorises, fold_order, from_tables
from paywarden.features.hashing import hash_strings


def stream():
    return build(
        [
            Draft(0, "a", "m", 5, "authorisation", 10, labels=((500, True), (600, False))),
            Draft(100, None, "n", 7, "refund", 20),
            Draft(100, "b", None, 9, "reversal", 30),
        ]
    )


def batch():
    tables = stream()
    return from_tables(tables.transactions, tables.labels, SCHEMA.entities)


def test_transactions_stand_before_labels_in_the_rows_they_came_in():
    events = batch()
    assert len(events) == 5
    assert events.kind.tolist() == [Kind.TRANSACTION] * 3 + [Kind.LABEL] * 2
    assert (events.occurred_at - START_MS).tolist() == [0, 100, 200, 0, 0]
    assert (events.received_at - START_MS).tolist() == [10, 120, 230, 500, 600]
    assert events.amount.tolist() == [5, 7, 9, 0, 0]
    assert events.tokens["card"].to_pylist() == ["a", None, "b", "a", "a"]
    assert events.tokens["merchant"].to_pylist() == ["m", "n", None, "m", "m"]
    assert events.transaction_id.to_pylist() == ["t0", "t1", "t2", "t0", "t0"]
    assert events.routing_key.to_pylist() == ["a", "t1", "b", "a", "a"]


def test_authorisations_and_fraud_labels_are_observed():
    assert batch().observes.tolist() == [True, False, False, True, False]
    assert authorises(stream().transactions).tolist() == [True, False, False]


def test_the_amount_is_that_in_the_base_currency():
    tables = stream()
    place = tables.transactions.column_names.index("amount_base")
    converted = tables.transactions.set_column(place, "amount_base", pa.array([1, 2, 3]))
    assert from_tables(converted, tables.labels, ("card",)).amount.tolist()[:3] == [1, 2, 3]


def test_a_label_lives_at_its_arrival_and_a_transaction_at_its_occurrence():
    assert (batch().as_of - START_MS).tolist() == [0, 100, 200, 500, 600]


def test_ids_are_hashed():
    events = batch()
    assert events.id_hash.dtype == np.int64
    assert events.id_hash.view(np.uint64).tolist() == hash_strings(events.transaction_id).tolist()


def test_taking_keeps_rows_together():
    events, order = batch(), np.array([4, 0, 2])
    taken = events.take(order)
    assert len(taken) == 3
    for name in ("kind", "occurred_at", "received_at", "amount", "observes"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(events, name)[order])
    assert taken.tokens["card"].to_pylist() == ["a", "a", "b"]
    assert taken.transaction_id.to_pylist() == ["t0", "t0", "t2"]
    assert taken.routing_key.to_pylist() == ["a", "a", "b"]


@pytest.mark.parametrize("empty", ["transactions", "labels"])
def test_either_table_may_be_empty(empty):
    tables = stream()
    transactions = tables.transactions.slice(0, 0) if empty == "transactions" else tables.transactions
    labels = tables.labels.slice(0, 0) if empty == "labels" else tables.labels
    assert len(from_tables(transactions, labels, SCHEMA.entities)) == transactions.num_rows + labels.num_rows


def order_of(events, partition, offset, numbers=None):
    numbers = None if numbers is None else np.array(numbers, np.int64)
    return fold_order(events, np.array(partition, np.int32), np.array(offset, np.int64), numbers).tolist()


def same_arrival(kinds):
    events = batch().take(np.array([3 if kind == Kind.LABEL else 0 for kind in kinds]))
    events.received_at[:] = START_MS
    return events


def test_arrival_comes_first_then_labels_then_partition_then_offset():
    kinds = [Kind.TRANSACTION, Kind.TRANSACTION, Kind.TRANSACTION, Kind.LABEL, Kind.TRANSACTION]
    events = same_arrival(kinds)
    events.received_at[4] -= 1
    assert order_of(events, [1, 0, 0, 7, 9], [3, 8, 4, 99, 99]) == [4, 3, 2, 1, 0]


def test_the_batch_comes_before_arrival():
    events = same_arrival([Kind.TRANSACTION] * 3)
    events.received_at[:] = START_MS + np.array([0, 1, 2])
    assert order_of(events, [0, 0, 0], [0, 1, 2], numbers=[2, 2, 1]) == [2, 0, 1]
