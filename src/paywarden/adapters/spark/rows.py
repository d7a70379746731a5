"""The rows that travel between the steps of a micro-batch, and back into events.

Between two steps Spark sees parcels: rows of one shard as an Arrow stream, thousands in one binary value. It moves them
by their shard without looking inside: as columns of its own, each row would be taken apart and put together again
four times, which took half of a batch's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events.alert_notes import DESCRIBING
from paywarden.events.schema import EventSchema
from paywarden.features.events import EventBatch, Inputs
from paywarden.features.hashing import hash_strings, shards_of
from paywarden.scoring.rules.read_columns import column_of
from paywarden.scoring.rules.rule_book import RuleBook

DEAD = -1
"""The kind of a row that failed validation; it passes through every step untouched."""

PARCEL = pa.schema([("shard", pa.int32()), ("rows", pa.binary())])
"""What travels between two steps: the shard where the next one runs, and rows of it (:func:`to_parcels`)."""
PARCEL_DDL = "shard int, rows binary"

INPUT_COLUMNS = ("key", "value", "topic", "partition", "offset", "timestamp")
"""What the first step reads of Kafka's rows, ``timestamp`` as bigint epoch milliseconds."""


NO_COLUMNS = pa.schema([])


@dataclass(frozen=True)
class RowSchema:
    """Columns of a row in flight, for what a catalogue reads of events, and what rules and alerts need besides.

    ``shard`` is where the next step runs; ``features`` holds the float32 bytes of the steps already taken; ``raw_key``,
    ``raw_value``, ``reason`` and ``detail`` belong to dead rows. ``besides`` are columns of canonical transactions.
    """

    inputs: Inputs
    besides: pa.Schema = NO_COLUMNS

    @property
    def arrow(self) -> pa.Schema:
        """As Arrow fields."""
        return pa.schema(
            [
                ("shard", pa.int32()),
                ("kind", pa.int8()),
                ("topic", pa.string()),
                ("partition", pa.int32()),
                ("offset", pa.int64()),
                ("timestamp", pa.int64()),
                ("transaction_id", pa.string()),
                ("occurred_at", pa.int64()),
                ("received_at", pa.int64()),
                ("routing_key", pa.string()),
                ("amount_base", pa.int64()),
                ("source", pa.int8()),
                ("declined", pa.bool_()),
                ("verdict", pa.int8()),
                ("features", pa.binary()),
                *((f"entity_{name}", pa.string()) for name in self.inputs.entities),
                *((f"code_{name}", pa.int64()) for name in self.inputs.codes),
                *((f"number_{name}", pa.float64()) for name in self.inputs.numbers),
                *self.besides,
                ("raw_key", pa.binary()),
                ("raw_value", pa.binary()),
                ("reason", pa.string()),
                ("detail", pa.string()),
            ]
        )

    def table(self, rows: int, columns: dict[str, pa.Array]) -> pa.Table:
        """A table of these columns; the ones not given are null."""
        return pa.table(
            [columns.get(field.name, pa.nulls(rows, field.type)) for field in self.arrow], schema=self.arrow
        )


def besides(book: RuleBook, inputs: Inputs, schema: EventSchema) -> pa.Schema:
    """The columns of canonical transactions that rows do not bear anyway: what lists and rules read, and alerts say."""
    transactions = schema.transaction_schema()
    borne = {"amount_base", *(f"entity_{name}" for name in inputs.entities)}
    read = {*DESCRIBING, *(column_of(name, transactions.names) for name in book.fields)} - borne
    return pa.schema([transactions.field(name) for name in sorted(read)])


def to_parcels(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    """The rows packed by their shard, in their order, a parcel for each shard that has any."""
    if not rows.num_rows:
        return
    shard = rows["shard"].to_numpy()
    order = np.argsort(shard, kind="stable")
    shards, starts = np.unique(shard[order], return_index=True)
    ordered = rows.take(pa.array(order)).combine_chunks()
    sink, offsets = pa.BufferOutputStream(), [0]
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(shard)], strict=True):
        with pa.ipc.new_stream(sink, ordered.schema) as stream:
            stream.write_table(ordered.slice(start, end - start))
        offsets.append(sink.tell())
    buffers = [None, pa.py_buffer(np.array(offsets, np.int32)), sink.getvalue()]
    packed = pa.Array.from_buffers(pa.binary(), len(shards), buffers)
    yield pa.record_batch([pa.array(shards, pa.int32()), packed], schema=PARCEL)


def from_parcels(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """One table of all parcels of a task: a key may appear in several of them, its state is read and written once."""
    tables = [pa.ipc.open_stream(parcel.as_buffer()).read_all() for batch in batches for parcel in batch["rows"]]
    return pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()


def to_events(rows: pa.Table, inputs: Inputs) -> EventBatch:
    """The events of live rows, in their order."""
    return EventBatch(
        kind=rows["kind"].to_numpy(),
        occurred_at=rows["occurred_at"].to_numpy(),
        received_at=rows["received_at"].to_numpy(),
        amount=rows["amount_base"].to_numpy(),
        source=rows["source"].to_numpy(),
        declined=rows["declined"].to_numpy(),
        transaction_id=one_array(rows["transaction_id"]),
        routing_key=one_array(rows["routing_key"]),
        tokens={name: one_array(rows[f"entity_{name}"]) for name in inputs.entities},
        codes={name: rows[f"code_{name}"].to_numpy() for name in inputs.codes},
        numbers={name: rows[f"number_{name}"].to_numpy() for name in inputs.numbers},
    )


def shard_column(tokens: pa.Array, otherwise: pa.Array, shards: int) -> pa.Array:
    """The shard of each token, or of what stands in for a null one, int32."""
    return pa.array(shards_of(hash_strings(pc.coalesce(tokens, otherwise)), shards), pa.int32())


def pack(features: NDArray[np.float32]) -> pa.Array:
    """Rows of float32 as binary values."""
    width = features.shape[1] * 4
    flat = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), len(features), [None, pa.py_buffer(np.ascontiguousarray(features).tobytes())]
    )
    return flat.cast(pa.binary())


def unpack(packed: pa.ChunkedArray, rows: int) -> NDArray[np.float32]:
    """The rows that :func:`pack` made; ``[n, 0]`` where there are none yet."""
    if packed.null_count == rows:  # also of no rows
        return np.zeros((rows, 0), dtype=np.float32)
    values = one_array(packed)
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + rows + 1]
    data = np.frombuffer(values.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    return data.view(np.float32).reshape(rows, -1)


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column as one contiguous array."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
