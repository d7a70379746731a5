"""From canonical columns to messages: the JSON that :mod:`paywarden.events.validation` reads back to equal columns.

JSON text is joined column by column in Arrow, not row by row in Python; only a column with characters that JSON
escapes goes through orjson.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.events.schema import EventSchema
from paywarden.events.strings import bytes_and_offsets, one_array

_ESCAPED = np.zeros(256, dtype=np.bool_)
_ESCAPED[: ord(" ")] = _ESCAPED[ord('"')] = _ESCAPED[ord("\\")] = True

_TRANSACTION_TEXTS = ("currency", "transaction_type", "auth_result", "category", "channel", "country")


def encode_transactions(table: pa.Table, schema: EventSchema) -> list[bytes]:
    """One JSON message a row of a canonical transaction table; nulls and derived columns are left out.

    Floats are written as the shortest text that reads back to the same float64; they must be finite.
    """
    pieces = [
        _field(table, "transaction_id", ""),
        _field(table, "occurred_at"),
        _field(table, "received_at"),
        _object(table, "entities", {name: f"entity_{name}" for name in schema.entities}),
        _field(table, "amount"),
        *(_field(table, name) for name in _TRANSACTION_TEXTS),
        _field(table, "latitude"),
        _field(table, "longitude"),
    ]
    if schema.extra_numbers:
        pieces.append(_object(table, "extra_numbers", {name: f"extra_{name}" for name in schema.extra_numbers}))
    if schema.extra_categories:
        pieces.append(_object(table, "extra_categories", {name: f"extra_{name}" for name in schema.extra_categories}))
    return _messages(pieces)


def encode_labels(table: pa.Table, schema: EventSchema) -> list[bytes]:
    """One JSON message a row of a canonical label table; nulls and the routing key are left out."""
    return _messages(
        [
            _field(table, "transaction_id", ""),
            _object(table, "entities", {name: f"entity_{name}" for name in schema.entities}),
            *(_field(table, name) for name in ("occurred_at", "labelled_at", "received_at", "is_fraud", "source")),
            _field(table, "pattern"),
        ]
    )


def routing_keys(table: pa.Table) -> list[bytes]:
    """Kafka keys of the rows of a canonical table: the UTF-8 bytes of ``routing_key``."""
    return _as_bytes(one_array(table.column("routing_key")))


def _messages(pieces: Sequence[pa.Array]) -> list[bytes]:
    return _as_bytes(pc.binary_join_element_wise("{", *pieces, "}", ""))


def _as_bytes(text: pa.StringArray) -> list[bytes]:
    binary = pa.large_binary() if pa.types.is_large_string(text.type) else pa.binary()
    return text.view(binary).to_numpy(zero_copy_only=False).tolist()


def _field(table: pa.Table, column: str, comma: str = ",", name: str = "") -> pa.StringArray:
    """``,"name":value`` of each row, and the empty string where the value is null."""
    values = _json_text(one_array(table.column(column)))
    joined = pc.binary_join_element_wise(f'{comma}"{name or column}":', values, "")
    return pc.fill_null(joined, "") if joined.null_count else joined


def _object(table: pa.Table, name: str, columns: dict[str, str]) -> pa.StringArray:
    """``,"name":{...}`` of each row, with the fields that are not null; the empty string where all are."""
    inner = pc.binary_join_element_wise(*(_field(table, column, ",", field) for field, column in columns.items()), "")
    body = pc.utf8_slice_codeunits(inner, 1)  # without the first comma
    joined = pc.binary_join_element_wise(f',"{name}":{{', body, "}", "")
    return pc.if_else(pc.equal(inner, ""), "", joined)


def _json_text(values: pa.Array) -> pa.StringArray:
    """The JSON of each value, null for null."""
    if not pa.types.is_string(values.type):
        return values.cast(pa.string())
    data, offsets = bytes_and_offsets(values)
    if _ESCAPED[data[offsets[0] : offsets[-1]]].any():
        encoded = [None if value is None else orjson.dumps(value).decode() for value in values.to_pylist()]
        return pa.array(encoded, pa.string())
    return pc.binary_join_element_wise('"', values, '"', "")
