"""Parcels: what goes in comes out, shard by shard and in order, whatever the columns hold."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from paywarden.adapters.spark.rows import PARCEL, RowSchema, from_parcels, to_parcels
from paywarden.features.events import Inputs

SCHEMA = RowSchema(Inputs(("card",), ("category",), ("amount",))).arrow


def rows_of(shards, texts):
    columns = {
        "shard": pa.array(shards, pa.int32()),
        "offset": pa.array(range(len(shards)), pa.int64()),
        "transaction_id": pa.array(texts, pa.string()),
        "raw_value": pa.array([None if text is None else text.encode() for text in texts], pa.binary()),
    }
    return RowSchema(Inputs(("card",), ("category",), ("amount",))).table(len(shards), columns)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.text(max_size=20)), max_size=40))
def test_rows_come_back_shard_by_shard_in_their_order(drawn):
    rows = rows_of([shard for shard, _ in drawn], [text for _, text in drawn])
    parcels = list(to_parcels(rows))
    back = from_parcels(parcels, SCHEMA)
    assert back.schema == SCHEMA
    assert back.to_pylist() == sorted(rows.to_pylist(), key=lambda row: row["shard"])


def test_a_parcel_holds_the_rows_of_one_shard():
    (batch,) = to_parcels(rows_of([3, 0, 3, 1], ["a", "b", "c", "d"]))
    assert batch.schema == PARCEL
    held = {
        shard: from_parcels([batch.slice(place, 1)], SCHEMA)["transaction_id"].to_pylist()
        for place, shard in enumerate(batch["shard"].to_pylist())
    }
    assert held == {0: ["b"], 1: ["d"], 3: ["a", "c"]}


def test_a_slice_of_a_table_is_packed_without_the_rest():
    rows = rows_of([0] * 1000, ["x" * 1000] * 1000)
    (batch,) = to_parcels(rows.slice(10, 2))
    assert from_parcels([batch], SCHEMA)["offset"].to_pylist() == [10, 11]
    assert batch.nbytes < 20_000


def test_no_rows_make_no_parcel_and_no_parcel_no_rows():
    assert list(to_parcels(rows_of([], []))) == []
    assert from_parcels([], SCHEMA).num_rows == 0
