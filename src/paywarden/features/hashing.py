"""The hash fixed in the state codec: 64-bit XXH64 (seed 0) over UTF-8 bytes, vectorised over Arrow strings.

Source: Yann Collet, xxHash specification, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
Ids, distinct counts and shards depend on it; changing it changes the state layout.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.events.strings import bytes_and_offsets, one_array, validity
from paywarden.features.compiled import compiled

_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)
_SPANS = frozenset({pa.string(), pa.binary(), pa.large_string(), pa.large_binary()})
"""Types whose values lie end to end; others are made such first."""


def hash_strings(values: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    """XXH64 of each string or binary value, uint64 ``[n]``; 0 where null."""
    flat = one_array(values)
    if flat.type not in _SPANS:
        flat = flat.cast(pa.large_binary())
    text, bounds = bytes_and_offsets(flat)
    text.flags.writeable = False  # of every origin: else what is empty would be compiled for once more
    hashes: NDArray[np.uint64] = _hash_spans(text, bounds)
    if flat.null_count:
        hashes[~validity(flat)] = 0
    return hashes


def shards_of(hashes: NDArray[np.uint64], shards: int) -> NDArray[np.int32]:
    """Shard of each key by its hash, int32 ``[n]`` in ``[0, shards)``: the high bits, scaled."""
    return ((hashes >> np.uint64(32)) * np.uint64(shards) >> np.uint64(32)).astype(np.int32)


@compiled
def _rotate(value: np.uint64, bits: int) -> np.uint64:
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@compiled
def _word(data: NDArray[np.uint8], at: int, width: int) -> np.uint64:
    word = np.uint64(0)
    for i in range(width):
        word |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return word


@compiled
def _round(lane: np.uint64, word: np.uint64) -> np.uint64:
    return _rotate(lane + word * _P2, 31) * _P1


@compiled
def _hash_span(data: NDArray[np.uint8], start: int, stop: int) -> np.uint64:
    length = stop - start
    at = start
    if length >= 32:
        v1, v2, v3, v4 = _P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1
        while at + 32 <= stop:
            v1 = _round(v1, _word(data, at, 8))
            v2 = _round(v2, _word(data, at + 8, 8))
            v3 = _round(v3, _word(data, at + 16, 8))
            v4 = _round(v4, _word(data, at + 24, 8))
            at += 32
        h = _rotate(v1, 1) + _rotate(v2, 7) + _rotate(v3, 12) + _rotate(v4, 18)
        for lane in (v1, v2, v3, v4):
            h = (h ^ _round(np.uint64(0), lane)) * _P1 + _P4
    else:
        h = _P5
    h += np.uint64(length)
    while at + 8 <= stop:
        h = _rotate(h ^ _round(np.uint64(0), _word(data, at, 8)), 27) * _P1 + _P4
        at += 8
    if at + 4 <= stop:
        h = _rotate(h ^ (_word(data, at, 4) * _P1), 23) * _P2 + _P3
        at += 4
    while at < stop:
        h = _rotate(h ^ (np.uint64(data[at]) * _P5), 11) * _P1
        at += 1
    h = (h ^ (h >> np.uint64(33))) * _P2
    h = (h ^ (h >> np.uint64(29))) * _P3
    return h ^ (h >> np.uint64(32))


@compiled
def _hash_spans(data: NDArray[np.uint8], bounds: NDArray[np.int64]) -> NDArray[np.uint64]:
    hashes = np.empty(bounds.size - 1, dtype=np.uint64)
    for i in range(hashes.size):
        hashes[i] = _hash_span(data, bounds[i], bounds[i + 1])
    return hashes
