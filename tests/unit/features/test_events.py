import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest
from tests.parity.runner import take
from tests.parity.streams import SCHEMA, START_MS, Draft, build
from tests.parity.xxh64 import xxh64

from paywarden.features.aggregations.aggregation import Source
from paywarden.features.events import (
    UNOBSERVED,
    Inputs,
    Kind,
    arrival_order,
    fold_order,
    from_tables,
    from_transactions,
)
from paywarden.features.hashing import hash_strings

INPUTS = Inputs(("card", "merchant"), ("category", "country"), ("extra_tip", "latitude"))


def stream():
    return build(
        [
            Draft(0, "a", "m", 5, "authorisation", 10, labels=((500, True), (600, False)), category="cash", tip=1.5),
            Draft(100, None, "n", 7, "refund", 20, declined=True, country="FR", place=(48.5, 2.5)),
            Draft(100, "b", None, 9, "reversal", 30, declined=None),
        ]
    )


def batch(inputs=INPUTS):
    tables = stream()
    return from_tables(tables.transactions, tables.labels, inputs)


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


def test_transactions_alone_are_those_beside_labels():
    alone, beside = from_transactions(stream().transactions, INPUTS), batch()
    for field in dataclasses.fields(alone):
        one, both = getattr(alone, field.name), getattr(beside, field.name)
        of_three = {name: both[name][:3] for name in both} if isinstance(both, dict) else {"": both[:3]}
        for name, column in one.items() if isinstance(one, dict) else [("", one)]:
            assert str(pa.array(column)) == str(pa.array(of_three[name])), field.name


def test_tokens_are_known_by_their_hash_and_nothing_by_zero():
    events = batch()
    assert events.token_hash("merchant").view(np.uint64).tolist() == [xxh64(b"m"), xxh64(b"n"), 0, *[xxh64(b"m")] * 2]
    assert dataclasses.replace(events, tokens={"merchant": events.tokens["card"]}).token_hash("merchant")[2] != 0


def test_authorisations_refunds_and_fraud_labels_enter_records():
    sources = [Source.AUTHORISATIONS, Source.REFUNDS, UNOBSERVED, Source.FRAUD_LABELS, UNOBSERVED]
    assert batch().source.tolist() == sources
    assert batch().source.dtype == np.int8
    assert UNOBSERVED not in set(Source)


def test_only_a_known_refusal_is_declined():
    events = batch()
    assert events.declined.dtype == np.bool_
    assert events.declined.tolist() == [False, True, False, False, False]


def test_texts_are_known_by_their_hash_and_nothing_by_zero():
    events = batch()
    assert set(events.codes) == {"category", "country"}
    assert events.codes["category"].dtype == np.int64
    assert events.codes["category"].view(np.uint64).tolist() == [xxh64(b"cash"), 0, 0, 0, 0]
    assert events.codes["country"].view(np.uint64).tolist() == [0, xxh64(b"FR"), 0, 0, 0]


def test_numbers_are_nan_where_they_are_absent():
    numbers = batch().numbers
    assert set(numbers) == {"extra_tip", "latitude"}
    nan = math.nan
    np.testing.assert_array_equal(numbers["extra_tip"], [1.5, nan, nan, nan, nan])
    np.testing.assert_array_equal(numbers["latitude"], [nan, 48.5, nan, nan, nan])


def test_numbers_of_any_type_are_read_as_floats():
    tables = stream()
    place = tables.transactions.column_names.index("extra_tip")
    whole = tables.transactions.set_column(place, "extra_tip", pa.array([2, None, 2**40], pa.int64()))
    tips = from_tables(whole, tables.labels, INPUTS).numbers["extra_tip"]
    assert tips.dtype == np.float64
    np.testing.assert_array_equal(tips, [2, math.nan, 2**40, math.nan, math.nan])


def test_what_is_not_asked_for_need_not_be_there():
    tables = stream()
    lean = tables.transactions.drop_columns(
        ["entity_merchant", "category", "channel", "country", "latitude", "longitude", "extra_tip"]
    )
    events = from_tables(lean, tables.labels.drop_columns(["entity_merchant"]), Inputs(("card",)))
    assert (list(events.tokens), events.codes, events.numbers) == (["card"], {}, {})
    without = from_tables(lean, tables.labels, Inputs(()))
    assert without.tokens == {}
    assert without.routing_key.to_pylist() == batch().routing_key.to_pylist()


def test_the_amount_is_that_in_the_base_currency():
    tables = stream()
    place = tables.transactions.column_names.index("amount_base")
    converted = tables.transactions.set_column(place, "amount_base", pa.array([1, 2, 3]))
    assert from_tables(converted, tables.labels, INPUTS).amount.tolist()[:3] == [1, 2, 3]


def test_a_label_lives_at_its_arrival_and_a_transaction_at_its_occurrence():
    assert (batch().as_of - START_MS).tolist() == [0, 100, 200, 500, 600]


def test_ids_are_hashed():
    events = batch()
    assert events.id_hash.dtype == np.int64
    assert events.id_hash.view(np.uint64).tolist() == hash_strings(events.transaction_id).tolist()


@pytest.mark.parametrize("empty", ["transactions", "labels", "both"])
def test_either_table_may_be_empty(empty):
    tables = stream()
    transactions = tables.transactions.slice(0, 0) if empty != "labels" else tables.transactions
    labels = tables.labels.slice(0, 0) if empty != "transactions" else tables.labels
    events = from_tables(transactions, labels, INPUTS)
    assert len(events) == transactions.num_rows + labels.num_rows
    assert len(events.codes["category"]) == len(events.numbers["extra_tip"]) == len(events.source) == len(events)


def test_tables_without_chunks_are_read():
    schemas = SCHEMA.transaction_schema(), SCHEMA.label_schema()
    none = [pa.table({field.name: pa.chunked_array([], field.type) for field in schema}) for schema in schemas]
    assert len(from_tables(*none, INPUTS)) == 0


def test_arrival_order_puts_labels_first_and_then_keeps_rows():
    events = batch()
    events.received_at[:] = [7, 5, 7, 7, 5]
    assert arrival_order(events).tolist() == [4, 1, 3, 0, 2]
    assert arrival_order(events).dtype == np.int64


def order_of(events, partition, offset, numbers=None):
    numbers = None if numbers is None else np.array(numbers, np.int64)
    return fold_order(events, np.array(partition, np.int32), np.array(offset, np.int64), numbers).tolist()


def same_arrival(kinds):
    events = take(batch(), np.array([3 if kind == Kind.LABEL else 0 for kind in kinds]))
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
