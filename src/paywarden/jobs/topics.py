"""From Kafka rows to the columns of the lake, by topic."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import Limits
from paywarden.events.schema import EventSchema
from paywarden.events.validation import Parsed, parse_labels, parse_transactions

KAFKA_COLUMNS = ("topic", "partition", "offset", "timestamp")

Parse = Callable[[pa.BinaryArray, NDArray[np.int64]], Parsed]


def transaction_columns(
    schema: EventSchema, currencies: CurrencyTable, limits: Limits
) -> Callable[[pa.Table], pa.Table]:
    """How archived transactions are laid out: canonical columns, Kafka coordinates, and the rejects beside them."""
    parse = partial(parse_transactions, schema=schema, currencies=currencies, limits=limits)
    return partial(_typed, parse=parse, schema=schema.transaction_schema())


def label_columns(schema: EventSchema, limits: Limits) -> Callable[[pa.Table], pa.Table]:
    """How archived labels are laid out."""
    return partial(_typed, parse=partial(parse_labels, schema=schema, limits=limits), schema=schema.label_schema())


def raw_columns(records: pa.Table) -> pa.Table:
    """How other topics are laid out: as they came."""
    return records.select([*KAFKA_COLUMNS, "key", "value"])


def _typed(records: pa.Table, parse: Parse, schema: pa.Schema) -> pa.Table:
    records = records.combine_chunks()
    parsed = parse(records["value"].chunk(0), records["timestamp"].to_numpy())
    valid, rejected = (records.take(pa.array(rows)) for rows in (parsed.positions, parsed.rejected))
    kept = _with(parsed.rows.cast(schema), {name: valid[name] for name in KAFKA_COLUMNS})
    refused = _with(
        pa.table([pa.nulls(rejected.num_rows, field.type) for field in schema], schema=schema),
        {
            **{name: rejected[name] for name in KAFKA_COLUMNS},
            "reject_reason": pa.array(parsed.reasons, pa.string()),
            "reject_detail": pa.array(parsed.details, pa.string()),
            "raw_key": rejected["key"],
            "raw_value": rejected["value"],
        },
    )
    return pa.concat_tables([_with(kept, {n: pa.nulls(len(kept), refused[n].type) for n in _REJECT}), refused])


_REJECT = ("reject_reason", "reject_detail", "raw_key", "raw_value")


def _with(table: pa.Table, columns: dict[str, pa.ChunkedArray | pa.Array]) -> pa.Table:
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table
