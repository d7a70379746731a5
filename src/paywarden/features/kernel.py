"""The compiled fold: for every event in order, read its entity's record, then observe the event."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from paywarden.features.cells import CELL_WORDS, CellKind, add_cell, merge_cells
from paywarden.features.compiled import compiled
from paywarden.features.results import finalise

_CELL_WORDS = np.array([CELL_WORDS[int(kind)] for kind in CellKind], dtype=np.int64)
_TRANSACTIONS, _FRAUD_LABELS = 0, 1
_KIND, _COLUMN, _CLOCK, _TILE_MS, _TILES, _OFFSET, _FIRST_SPAN, _END_SPAN = range(8)


@compiled
def is_idle(record: NDArray[np.int64], as_of: int, ttl_ms: int) -> bool:
    """Whether the record is older than its time to live, so that it reads as empty."""
    return as_of - max(record[_TRANSACTIONS], record[_FRAUD_LABELS]) > ttl_ms


@compiled
def _merge_window_tiles(
    record: NDArray[np.int64],
    as_of: int,
    blocks: NDArray[np.int64],
    spans: NDArray[np.int64],
    merged: NDArray[np.int64],
) -> None:
    """Fill ``merged`` with every (block, window), walking each ring once from the newest tile back."""
    merged[:] = 0
    tile_ms, now, head = 0, 0, 0
    clock = -1
    for b in range(blocks.shape[0]):
        # Blocks of one clock and tile width stand together: their tiles are found once.
        if blocks[b, _TILE_MS] != tile_ms or blocks[b, _CLOCK] != clock:
            tile_ms, clock = blocks[b, _TILE_MS], blocks[b, _CLOCK]
            now, head = as_of // tile_ms, record[clock] // tile_ms
        if record[clock] == 0:
            continue
        kind, tiles, offset = blocks[b, _KIND], blocks[b, _TILES], blocks[b, _OFFSET]
        tile = min(now, head)
        slot = tile % tiles
        before = -1
        for s in range(blocks[b, _FIRST_SPAN], blocks[b, _END_SPAN]):
            at = spans[s, 1]
            if before >= 0:
                for word in range(_CELL_WORDS[kind]):
                    merged[at + word] = merged[before + word]
            count = tile - max(now - spans[s, 0], head - tiles)
            if count > 0:
                merge_cells(kind, merged, at, record, offset, slot, tiles, count)
                tile -= count
                slot = slot - count if slot >= count else slot - count + tiles
            before = at


@compiled
def read_record(
    record: NDArray[np.int64],
    as_of: int,
    amount: int,
    ttl_ms: int,
    blocks: NDArray[np.int64],
    spans: NDArray[np.int64],
    features: NDArray[np.int64],
    merged: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Write the features of one record, as of a time, to ``out`` ``[f]``; the record is left as it is."""
    seconds_since_last = math.nan
    if is_idle(record, as_of, ttl_ms):
        merged[:] = 0
    else:
        _merge_window_tiles(record, as_of, blocks, spans, merged)
        if record[_TRANSACTIONS] > 0:
            seconds_since_last = max(as_of - record[_TRANSACTIONS], 0) / 1000.0
    for f in range(features.shape[0]):
        value = finalise(
            features[f, 0], merged, features[f, 1], features[f, 2], features[f, 3], float(amount), seconds_since_last
        )
        out[f] = np.float32(value)


@compiled
def _advance(record: NDArray[np.int64], clock: int, as_of: int, blocks: NDArray[np.int64]) -> None:
    """Move the clock of a record to ``as_of`` if that is later, clearing the tiles that fall out of each ring."""
    latest = record[clock]
    if as_of <= latest:
        return
    record[clock] = as_of
    if latest == 0:
        return
    for b in range(blocks.shape[0]):
        if blocks[b, _CLOCK] != clock:
            continue
        tile_ms, tiles, offset = blocks[b, _TILE_MS], blocks[b, _TILES], blocks[b, _OFFSET]
        words = _CELL_WORDS[blocks[b, _KIND]]
        head = as_of // tile_ms
        for tile in range(max(latest // tile_ms, head - tiles) + 1, head + 1):
            start = offset + (tile % tiles) * words
            record[start : start + words] = 0


@compiled
def observe_event(
    record: NDArray[np.int64],
    clock: int,
    as_of: int,
    values: NDArray[np.int64],
    has_value: NDArray[np.bool_],
    ttl_ms: int,
    blocks: NDArray[np.int64],
) -> None:
    """Add one event to the record, in place: tiles fallen out of a ring are cleared, one too old is ignored."""
    if is_idle(record, as_of, ttl_ms):
        record[:] = 0
    _advance(record, clock, as_of, blocks)
    for b in range(blocks.shape[0]):
        if blocks[b, _CLOCK] != clock or not has_value[blocks[b, _COLUMN]]:
            continue
        kind, tile_ms, tiles, offset = blocks[b, _KIND], blocks[b, _TILE_MS], blocks[b, _TILES], blocks[b, _OFFSET]
        words = _CELL_WORDS[kind]
        tile = as_of // tile_ms
        if tile > record[clock] // tile_ms - tiles:
            add_cell(kind, record, offset + (tile % tiles) * words, values[blocks[b, _COLUMN]])


@compiled
def fold_events(
    states: NDArray[np.int64],
    record_of: NDArray[np.int64],
    scored: NDArray[np.bool_],
    observed: NDArray[np.bool_],
    clock_of: NDArray[np.int8],
    as_of: NDArray[np.int64],
    values: NDArray[np.int64],
    has_value: NDArray[np.bool_],
    ttl_ms: int,
    scratch_words: int,
    blocks: NDArray[np.int64],
    spans: NDArray[np.int64],
    features: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Features of every event, float32 ``[n, f]``, read before the event is observed; ``states`` changes in place.

    ``record_of`` int64 ``[n]`` is the row in ``states`` (-1 where the event does not name the entity); ``scored``
    events are read, ``observed`` ones enter the state; ``values`` int64 ``[n, v]`` and ``has_value`` are what cells
    are made of. What is not read is NaN.
    """
    out = np.full((record_of.size, features.shape[0]), np.nan, dtype=np.float32)
    merged = np.zeros(scratch_words, dtype=np.int64)
    for i in range(record_of.size):
        if record_of[i] < 0:
            continue
        record = states[record_of[i]]
        if scored[i]:
            read_record(record, as_of[i], values[i, 0], ttl_ms, blocks, spans, features, merged, out[i])
        if observed[i]:
            observe_event(record, clock_of[i], as_of[i], values[i], has_value[i], ttl_ms, blocks)
    return out
