"""Arrow strings as numpy arrays: bytes, offsets, lengths. What a rule asks of a column without a Python loop."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_ASCII_SPACE = 0x20  # white space and control characters lie at or below it
_FIRST_MULTIBYTE = 0xC2  # white space beyond ASCII starts with this byte or a higher one


def one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column as one array without chunks."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def bytes_and_offsets(values: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of a string or binary array, and int64 offsets [N + 1] into them; a null may have any length."""
    if not len(values):
        return np.zeros(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    wide = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    _, offsets, data = values.buffers()
    positions = np.frombuffer(offsets, dtype=np.int64 if wide else np.int32)
    positions = positions[values.offset : values.offset + len(values) + 1]
    return np.frombuffer(data or b"", dtype=np.uint8), positions.astype(np.int64)


def byte_lengths(values: pa.Array) -> NDArray[np.int64]:
    """UTF-8 bytes of each value, int64 [N]; 0 for null."""
    _, offsets = bytes_and_offsets(values)
    lengths = np.diff(offsets)
    return np.where(validity(values), lengths, 0) if values.null_count else lengths


def validity(values: pa.Array) -> NDArray[np.bool_]:
    """True where the value is not null, bool [N]."""
    if not values.null_count:
        return np.ones(len(values), dtype=np.bool_)
    return values.is_valid().to_numpy(zero_copy_only=False)


def is_blank(values: pa.StringArray) -> NDArray[np.bool_]:
    """True where a value that is not null is empty or holds only white space, bool [N]."""
    data, offsets = bytes_and_offsets(values)
    valid = validity(values)
    empty = np.diff(offsets) == 0
    result = empty & valid
    filled = np.flatnonzero(~empty & valid)
    first = data[offsets[filled]]
    suspects = filled[(first <= _ASCII_SPACE) | (first >= _FIRST_MULTIBYTE)]
    if suspects.size:
        result[suspects] = pc.utf8_is_space(values.take(pa.array(suspects))).to_numpy(zero_copy_only=False)
    return result
