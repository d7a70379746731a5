"""JSON objects joined column by column: the text of many messages without a Python loop over rows.

Every piece is a string a row that begins with its comma, or is empty where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.events.strings import bytes_and_offsets, one_array

_ESCAPED = np.zeros(256, dtype=np.bool_)
_ESCAPED[: ord(" ")] = _ESCAPED[ord('"')] = _ESCAPED[ord("\\")] = True


def member(name: str, values: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """``,"name":value`` of each row; the empty string where the value is null."""
    return raw_member(name, json_text(one_array(values)))


def raw_member(name: str, json: pa.StringArray) -> pa.StringArray:
    """``,"name":json`` of each row, for text that is JSON already; the empty string where it is null."""
    joined = pc.binary_join_element_wise(f',"{name}":', json, "")
    return pc.fill_null(joined, "") if joined.null_count else joined


def object_member(name: str, members: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.StringArray | pa.StringScalar:
    """``,"name":{...}`` of each row with the members that are not null; the empty string where all are.

    Without any members there is one empty string for all rows.
    """
    if not members:
        return pa.scalar("", pa.string())
    inner = _joined([member(key, values) for key, values in members.items()])
    body = pc.utf8_slice_codeunits(inner, 1)  # without the first comma
    return pc.if_else(pc.equal(inner, ""), "", pc.binary_join_element_wise(f',"{name}":{{', body, "}", ""))


def messages(pieces: Sequence[pa.StringArray]) -> list[bytes]:
    """One object a row, as bytes; the first piece must hold something in every row."""
    body = pc.utf8_slice_codeunits(pieces[0], 1)
    return as_bytes(pc.binary_join_element_wise("{", body, *pieces[1:], "}", ""))


def as_bytes(text: pa.StringArray) -> list[bytes]:
    """The UTF-8 bytes of each row."""
    return text.view(pa.binary()).to_numpy(zero_copy_only=False).tolist()


def json_text(values: pa.Array) -> pa.StringArray:
    """The JSON of each value: text quoted and escaped, numbers in their shortest form; null for null, NaN, infinity."""
    if pa.types.is_floating(values.type):
        return pc.if_else(pc.is_finite(values), values, None).cast(pa.string())
    text = values.cast(pa.string())
    if pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        return text
    data, offsets = bytes_and_offsets(text)
    if _ESCAPED[data[offsets[0] : offsets[-1]]].any():
        encoded = [None if value is None else orjson.dumps(value).decode() for value in text.to_pylist()]
        return pa.array(encoded, pa.string())
    return pc.binary_join_element_wise('"', text, '"', "")


def _joined(pieces: Sequence[pa.StringArray]) -> pa.StringArray:
    return pc.binary_join_element_wise(*pieces, "")
