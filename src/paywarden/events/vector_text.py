"""Feature vectors as text: base64 (RFC 4648) of little-endian float32, so that every bit arrives, NaN among them.

A vector of 120 numbers written in decimals took twice the bytes of a decision and a third of the time of deciding.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.events.strings import bytes_and_offsets

_PADDING = ord("=")
_ZERO = ord("A")


def encode_vectors(vectors: pa.ListArray | pa.FixedSizeListArray) -> pa.StringArray:
    """The text of each vector, a list of float32; null for null."""
    width = _common_length(vectors)
    if width:
        values = vectors.flatten().to_numpy(zero_copy_only=False).astype("<f4", copy=False)
        return _texts(np.ascontiguousarray(values).view(np.uint8).reshape(-1, 4 * width))
    texts = [None if row is None else encode_vector(np.array(row, np.float32)) for row in vectors.to_pylist()]
    return pa.array(texts, pa.string())


def encode_vector(vector: NDArray[np.float32]) -> str:
    """The text of one vector, float32 ``[f]``."""
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def decode_vectors(texts: pa.StringArray) -> pa.ListArray:
    """The vectors of :func:`encode_vectors`, lists of float32. Raises DataError for text that is none."""
    try:
        rows = _rows(texts)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"a vector is not base64 of float32: {error}") from error
    return rows


def _common_length(vectors: pa.ListArray | pa.FixedSizeListArray) -> int:
    """The length that all vectors have; 0 where they differ, or some are null."""
    if vectors.null_count or not len(vectors):
        return 0
    lengths = pc.min_max(pc.list_value_length(vectors))
    return lengths["min"].as_py() if lengths["min"] == lengths["max"] else 0


def _texts(rows: NDArray[np.uint8]) -> pa.StringArray:
    """Base64 of rows of equal length: rows filled up to whole triples are encoded as one, then marked as padded."""
    count, size = rows.shape
    lacking = -size % 3
    filled = np.pad(rows, ((0, 0), (0, lacking)))
    text = np.frombuffer(base64.b64encode(filled.tobytes()), np.uint8).reshape(count, -1).copy()
    text[:, text.shape[1] - lacking :] = _PADDING
    offsets = np.arange(count + 1, dtype=np.int32) * text.shape[1]
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text.tobytes()))


def _rows(texts: pa.StringArray) -> pa.ListArray:
    data, offsets = bytes_and_offsets(texts)
    lengths = np.diff(offsets)
    if texts.null_count or not len(texts) or lengths.min() != lengths.max() or lengths[0] % 4 or lengths[0] == 0:
        return pa.array([None if t is None else _row(t) for t in texts.to_pylist()], pa.list_(pa.float32()))
    text = data[offsets[0] : offsets[-1]].reshape(len(texts), -1).copy()
    lacking = int((text[0, -2:] == _PADDING).sum())
    if lacking and (text[:, -lacking:] != _PADDING).any():
        raise ValueError("rows are padded differently")
    text[:, text.shape[1] - lacking :] = _ZERO
    filled = np.frombuffer(base64.b64decode(text.tobytes(), validate=True), np.uint8).reshape(len(texts), -1)
    values = np.ascontiguousarray(filled[:, : filled.shape[1] - lacking]).reshape(-1).view("<f4")
    starts = np.arange(len(texts) + 1, dtype=np.int32) * (len(values) // len(texts))
    return pa.ListArray.from_arrays(pa.array(starts), pa.array(values.astype(np.float32)))


def _row(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
