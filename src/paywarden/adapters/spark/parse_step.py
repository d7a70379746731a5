"""The first step of a micro-batch: Kafka's bytes become rows in flight, or dead rows that keep their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.adapters.spark.rows import DEAD, NO_COLUMNS, RowSchema, one_array, shard_column, to_parcels
from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import Limits
from paywarden.events.schema import EventSchema
from paywarden.events.validation import Parsed, parse_labels, parse_transactions
from paywarden.features.events import (
    Inputs,
    Kind,
    code_column,
    is_declined,
    number_column,
    source_of_labels,
    source_of_transactions,
)

_TIMES_AND_AMOUNT = Inputs(())


@dataclass(frozen=True)
class ParseStep:
    """Validates transactions and labels; a callable for ``mapInArrow`` that keeps no state.

    ``inputs`` is what the catalogue of the batch reads of events, ``besides`` what its rules read and its
    alerts say of transactions.
    """

    schema: EventSchema
    currencies: CurrencyTable
    limits: Limits
    labels_topic: str
    shards: int
    inputs: Inputs = _TIMES_AND_AMOUNT
    besides: pa.Schema = NO_COLUMNS

    @property
    def rows(self) -> RowSchema:
        """The schema of the rows in its parcels."""
        return RowSchema(self.inputs, self.besides)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Parcels of rows in flight, a row for every Kafka record."""
        for batch in batches:
            records = pa.Table.from_batches([batch])
            is_label = pc.equal(records["topic"], self.labels_topic)
            for kind, part in (
                (Kind.LABEL, records.filter(is_label)),
                (Kind.TRANSACTION, records.filter(pc.invert(is_label))),
            ):
                if part.num_rows:
                    yield from to_parcels(self._parsed(kind, part.combine_chunks()))

    def _parsed(self, kind: Kind, records: pa.Table) -> pa.Table:
        values, timestamps = one_array(records["value"]), records["timestamp"].to_numpy()
        if kind == Kind.LABEL:
            parsed = parse_labels(values, timestamps, self.schema, self.limits)
        else:
            parsed = parse_transactions(values, timestamps, self.schema, self.currencies, self.limits)
        live = self._live(kind, parsed, records.take(pa.array(parsed.positions)))
        return pa.concat_tables([live, self._dead(parsed, records.take(pa.array(parsed.rejected)))])

    def _live(self, kind: Kind, parsed: Parsed, records: pa.Table) -> pa.Table:
        events, count = parsed.rows, parsed.rows.num_rows
        entities = [f"entity_{name}" for name in self.inputs.entities]
        copied = ("transaction_id", "occurred_at", "received_at", "routing_key", *entities)
        columns = {name: one_array(events[name]) for name in copied}
        columns |= {name: one_array(records[name]) for name in ("topic", "partition", "offset", "timestamp")}
        columns["kind"] = pa.array(np.full(count, kind, np.int8))
        columns["shard"] = shard_column(columns["routing_key"], columns["routing_key"], self.shards)
        if kind == Kind.TRANSACTION:
            columns["amount_base"] = one_array(events["amount_base"])
            columns["source"] = pa.array(source_of_transactions(events))
            columns["declined"] = pa.array(is_declined(events))
            columns |= {name: one_array(events[name]) for name in self.besides.names}
            columns |= {f"code_{name}": pa.array(code_column(events[name])) for name in self.inputs.codes}
            columns |= {f"number_{name}": pa.array(number_column(events[name])) for name in self.inputs.numbers}
        else:
            columns["amount_base"] = pa.array(np.zeros(count, np.int64))
            columns["source"] = pa.array(source_of_labels(events))
            columns["declined"] = pa.array(np.zeros(count, np.bool_))
            columns |= {f"code_{name}": pa.array(np.zeros(count, np.int64)) for name in self.inputs.codes}
            columns |= {f"number_{name}": pa.array(np.full(count, np.nan)) for name in self.inputs.numbers}
        return self.rows.table(count, columns)

    def _dead(self, parsed: Parsed, records: pa.Table) -> pa.Table:
        count = records.num_rows
        columns = {name: one_array(records[name]) for name in ("topic", "partition", "offset", "timestamp")}
        columns |= {"raw_key": one_array(records["key"]), "raw_value": one_array(records["value"])}
        columns["kind"] = pa.array(np.full(count, DEAD, np.int8))
        columns["shard"] = pa.array((records["offset"].to_numpy() % self.shards).astype(np.int32))
        columns |= {"reason": pa.array(parsed.reasons, pa.string()), "detail": pa.array(parsed.details, pa.string())}
        return self.rows.table(count, columns)
