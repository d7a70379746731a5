"""The compiled fold: for every event in order, read its entity's record, then observe the event."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from paywarden.features.aggregations.aggregation import Source
from paywarden.features.aggregations.fraud_age import RUN_GAP_MS
from paywarden.features.cells import (
    COUNT,
    MAX,
    SKETCH,
    SKETCH_WORDS,
    SMALL_SKETCH,
    SQUARES,
    SUM,
    Narrow,
    Wide,
    add_cell,
    add_squares,
    either_wide,
    max_narrow,
    merge_sketches,
    sum_narrow,
    sum_squares,
    sum_wide,
)
from paywarden.features.compiled import compiled, inlined, uncounted
from paywarden.features.layout import Tables
from paywarden.features.needs import ANOMALY_ABOVE
from paywarden.features.places import kilometres_between
from paywarden.features.results import FIRST_KNOWN, KNOWN, Result, finalise_all, zscore

_FRAUD_LABELS, _AUTHORISATIONS = int(Source.FRAUD_LABELS), int(Source.AUTHORISATIONS)
_CLOCK, _TILE_MS, _TILES, _START, _STOP, _BLOCKS = range(6)
_COLUMN, _SOURCE, _OFFSET, _KIND = range(4)
_GROUP, _SPAN, _MERGES = range(3)
_NOW, _HEAD, _SLOT, _NOW_SLOT = range(4)
_LAST, _RUN_BEGAN, _LOCATED_AT, _PLACE = range(4)
_NEWCOMER, _TOLD_BY, _ANOMALY, _COUNT_SLOT, _SUM_SLOT, _SQUARES_SLOT = range(6)
_SINCE_LAST, _SINCE_FRAUD, _FRAUD_RUN, _SPEED = (int(result) - FIRST_KNOWN for result in list(Result)[FIRST_KNOWN:])
_SHORTEST_TRIP_MS = 60_000
_HOUR_MS = 3_600_000.0


@inlined
def is_idle(record: Wide, as_of: int, ttl_ms: int) -> bool:
    """Whether the record is older than its time to live, so that it reads as empty."""
    return as_of - max(record[0], record[1]) > ttl_ms


@compiled
def _quotient(number: int, divisor: int, inverse: float) -> int:
    """``number // divisor`` for what is below 2**52: the processor divides integers slowly."""
    quotient = int(float(number) * inverse)
    rest = number - quotient * divisor
    if rest < 0:
        return quotient - 1
    return quotient + 1 if rest >= divisor else quotient


@inlined
def _locate(record: Wide, as_of: int, groups: NDArray[np.int64], inverses: NDArray[np.float64], tiles_of: Wide) -> None:
    """For each group: its tile as of a time and its slot, the newest tile held, and the slot of the older of both."""
    for group in range(groups.shape[0]):
        tile_ms, tiles = groups[group, _TILE_MS], groups[group, _TILES]
        now = _quotient(as_of, tile_ms, inverses[group, 0])
        now_slot = now - _quotient(now, tiles, inverses[group, 1]) * tiles
        latest = record[groups[group, _CLOCK]]
        head, slot = now, now_slot
        behind = now * tile_ms - latest
        if behind > tiles * tile_ms:
            head = now - tiles - 1  # all tiles are past: which one is the newest does not matter
        elif behind > 0:
            while behind > 0:
                behind -= tile_ms
                head -= 1
                slot = slot - 1 if slot > 0 else tiles - 1
        elif behind <= -tile_ms:
            head = _quotient(latest, tile_ms, inverses[group, 0])
        tiles_of[group, _NOW], tiles_of[group, _NOW_SLOT] = now, now_slot
        tiles_of[group, _HEAD], tiles_of[group, _SLOT] = head, slot


@inlined
def _merge_windows(  # noqa: C901, PLR0912 (a loop a kind of cell)
    record: Wide, narrow: Narrow, tables: Tables, tiles_of: Wide, merged: Wide
) -> None:
    """Fill ``merged`` with the cells of every window, as of the tiles that were located."""
    merged[:] = 0
    groups, windows, merges = tables.groups, tables.windows, tables.merges
    for w in range(windows.shape[0]):
        group = windows[w, _GROUP]
        if record[groups[group, _CLOCK]] == 0:
            continue
        tiles, now, head = groups[group, _TILES], tiles_of[group, _NOW], tiles_of[group, _HEAD]
        count = min(now, head) - max(now - windows[w, _SPAN], head - tiles)
        if count <= 0:
            continue
        # The newest `count` tiles: one run of slots, or two around the ring's end.
        stop = tiles_of[group, _SLOT] + 1
        start = stop - count
        wrapped = start < 0
        second = start + tiles
        start = max(start, 0)
        for m in range(windows[w, _MERGES + COUNT], windows[w, _MERGES + COUNT + 1]):
            ring = merges[m, 0]
            total = sum_narrow(narrow, ring + start, ring + stop)
            if wrapped:
                total += sum_narrow(narrow, ring + second, ring + tiles)
            merged[merges[m, 1]] = total
        for m in range(windows[w, _MERGES + MAX], windows[w, _MERGES + MAX + 1]):
            ring = merges[m, 0]
            largest = max_narrow(narrow, ring + start, ring + stop)
            if wrapped:
                largest = max(largest, max_narrow(narrow, ring + second, ring + tiles))
            merged[merges[m, 1]] = largest
        for m in range(windows[w, _MERGES + SUM], windows[w, _MERGES + SUM + 1]):
            ring = merges[m, 0]
            total = sum_wide(record, ring + start, ring + stop)
            if wrapped:
                total += sum_wide(record, ring + second, ring + tiles)
            merged[merges[m, 1]] = total
        for m in range(windows[w, _MERGES + SQUARES], windows[w, _MERGES + SQUARES + 1]):
            ring = merges[m, 0]
            squares = sum_squares(record, ring + start, ring + stop)
            if wrapped:
                squares = add_squares(squares, sum_squares(record, ring + second, ring + tiles))
            merged[merges[m, 1]] = squares
        for m in range(windows[w, _MERGES + SMALL_SKETCH], windows[w, _MERGES + SMALL_SKETCH + 1]):
            ring = merges[m, 0]
            bits = either_wide(record, ring + start, ring + stop)
            if wrapped:
                bits |= either_wide(record, ring + second, ring + tiles)
            merged[merges[m, 1]] = bits
        for m in range(windows[w, _MERGES + SKETCH], windows[w, _MERGES + SKETCH + 1]):
            ring, at = merges[m, 0], merges[m, 1]
            merge_sketches(merged, at, record, ring + start * SKETCH_WORDS, ring + stop * SKETCH_WORDS)
            if wrapped:
                merge_sketches(merged, at, record, ring + second * SKETCH_WORDS, ring + tiles * SKETCH_WORDS)


@inlined
def _read_header(record: Wide, as_of: int, place: int, header: NDArray[np.int64], known: NDArray[np.float64]) -> None:
    """What the header tells as of a time, at a place (0 where the event has none); NaN where it tells nothing."""
    known[:] = math.nan
    last = record[header[_LAST]] if header[_LAST] >= 0 else 0
    if last > 0:
        known[_SINCE_LAST] = max(as_of - last, 0) / 1000.0
    if record[1] > 0:
        known[_SINCE_FRAUD] = max(as_of - record[1], 0) / 1000.0
        if header[_RUN_BEGAN] >= 0 and as_of - record[1] <= RUN_GAP_MS:
            known[_FRAUD_RUN] = max(as_of - record[header[_RUN_BEGAN]], 0) / 1000.0
    if place != 0 and header[_LOCATED_AT] >= 0 and record[header[_LOCATED_AT]] > 0:
        passed = max(abs(as_of - record[header[_LOCATED_AT]]), _SHORTEST_TRIP_MS)
        known[_SPEED] = kilometres_between(record[header[_PLACE]], place) * _HOUR_MS / passed


@inlined
def _clear_passed_tiles(
    record: Wide, narrow: Narrow, clock: int, groups: NDArray[np.int64], blocks: NDArray[np.int64], tiles_of: Wide
) -> None:
    """Clear the tiles that fall out of the rings of a clock when it moves on."""
    for group in range(groups.shape[0]):
        tiles, passed = groups[group, _TILES], tiles_of[group, _NOW] - tiles_of[group, _HEAD]
        if passed <= 0 or groups[group, _CLOCK] != clock:
            continue
        if passed >= tiles:
            for word in range(groups[group, _START], groups[group, _STOP]):
                record[word] = 0
            continue
        slot = tiles_of[group, _NOW_SLOT]
        for _ in range(passed):
            for b in range(groups[group, _BLOCKS + COUNT], groups[group, _BLOCKS + SUM]):
                narrow[blocks[b, _OFFSET] + slot] = 0
            for b in range(groups[group, _BLOCKS + SUM], groups[group, _BLOCKS + SKETCH]):
                record[blocks[b, _OFFSET] + slot] = 0
            for b in range(groups[group, _BLOCKS + SKETCH], groups[group, _BLOCKS + SKETCH + 1]):
                for word in range(SKETCH_WORDS):
                    record[blocks[b, _OFFSET] + slot * SKETCH_WORDS + word] = 0
            slot = slot - 1 if slot > 0 else tiles - 1


@inlined
def _write_header(
    record: Wide, source: int, as_of: int, place: int, last_report: int, header: NDArray[np.int64]
) -> None:
    """Note an event in the header; ``last_report`` is the latest fraud label before it."""
    if source == _FRAUD_LABELS:
        if header[_RUN_BEGAN] >= 0 and (last_report == 0 or as_of - last_report > RUN_GAP_MS):
            record[header[_RUN_BEGAN]] = as_of
    elif source == _AUTHORISATIONS:
        if header[_LAST] >= 0:
            record[header[_LAST]] = max(record[header[_LAST]], as_of)
        if place != 0 and header[_LOCATED_AT] >= 0 and as_of >= record[header[_LOCATED_AT]]:
            record[header[_LOCATED_AT]] = as_of
            record[header[_PLACE]] = place


@inlined
def _observe_event(
    record: Wide,
    narrow: Narrow,
    source: int,
    as_of: int,
    values: NDArray[np.int64],
    present: NDArray[np.bool_],
    event: int,
    place: int,
    tables: Tables,
    tiles_of: Wide,
) -> None:
    """Add one event to the record, in place: tiles fallen out of a ring are cleared, one too old is ignored."""
    clock = 1 if source == _FRAUD_LABELS else 0
    last_report, latest = record[1], record[clock]
    groups, blocks = tables.groups, tables.blocks
    if latest > 0:
        _clear_passed_tiles(record, narrow, clock, groups, blocks, tiles_of)
    record[clock] = max(latest, as_of)
    _write_header(record, source, as_of, place, last_report, tables.header)
    for group in range(groups.shape[0]):
        if groups[group, _CLOCK] != clock:
            continue
        if latest > 0 and tiles_of[group, _NOW] <= tiles_of[group, _HEAD] - groups[group, _TILES]:
            continue
        slot = tiles_of[group, _NOW_SLOT]
        for b in range(groups[group, _BLOCKS], groups[group, _BLOCKS + SKETCH + 1]):
            column = blocks[b, _COLUMN]
            if blocks[b, _SOURCE] == source and present[event, column]:
                kind = blocks[b, _KIND]
                step = SKETCH_WORDS if kind == SKETCH else 1
                add_cell(kind, record, narrow, blocks[b, _OFFSET] + slot * step, values[event, column])


@uncounted
def _fold(
    order: NDArray[np.int64],
    states: NDArray[np.int64],
    halves: NDArray[np.uint32],
    record_of: NDArray[np.int64],
    scored: NDArray[np.bool_],
    source_of: NDArray[np.int8],
    as_of: NDArray[np.int64],
    values: NDArray[np.int64],
    present: NDArray[np.bool_],
    places: NDArray[np.int64],
    ttl_ms: int,
    tables: Tables,
    out: NDArray[np.float32],
    first: int,
    merged: Wide,
    tiles_of: Wide,
    known: NDArray[np.float64],
) -> None:
    """The loop of :func:`fold_events`, with scratch: merged cells, located groups, what the header tells."""
    features = tables.features.shape[0]
    flags = tables.flags
    newcomer, told_by, anomaly = flags[_NEWCOMER], flags[_TOLD_BY], flags[_ANOMALY]
    for i in order:
        if record_of[i] < 0 or not scored[i]:
            if i < out.shape[0]:
                out[i, first : first + features] = math.nan
            if record_of[i] < 0:
                continue
        record, narrow = states[record_of[i]], halves[record_of[i]]
        idle = is_idle(record, as_of[i], ttl_ms)
        if scored[i]:
            if newcomer >= 0:
                present[i, newcomer] = out[i, told_by] == 1.0
            if idle:
                merged[:] = 0
                known[:] = math.nan
            else:
                _locate(record, as_of[i], tables.groups, tables.inverses, tiles_of)
                _merge_windows(record, narrow, tables, tiles_of, merged)
                _read_header(record, as_of[i], places[i], tables.header, known)
            finalise_all(tables.features, tables.results, merged, values, present, known, i, first, out)
            if anomaly >= 0:
                count, total, squares = (
                    merged[flags[_COUNT_SLOT]],
                    merged[flags[_SUM_SLOT]],
                    merged[flags[_SQUARES_SLOT]],
                )
                present[i, anomaly] = zscore(count, total, squares, float(values[i, 0])) > ANOMALY_ABOVE
        if source_of[i] >= 0:
            if idle:
                record[:] = 0
            if idle or not scored[i]:
                _locate(record, as_of[i], tables.groups, tables.inverses, tiles_of)
            _observe_event(record, narrow, source_of[i], as_of[i], values, present, i, places[i], tables, tiles_of)


@compiled
def fold_events(
    order: NDArray[np.int64],
    states: NDArray[np.int64],
    halves: NDArray[np.uint32],
    record_of: NDArray[np.int64],
    scored: NDArray[np.bool_],
    source_of: NDArray[np.int8],
    as_of: NDArray[np.int64],
    values: NDArray[np.int64],
    present: NDArray[np.bool_],
    places: NDArray[np.int64],
    ttl_ms: int,
    merged_words: int,
    tables: Tables,
    out: NDArray[np.float32],
    first: int,
) -> None:
    """Read every event, in order, before it is observed; ``states`` and ``out`` change in place.

    ``order`` int64 ``[n]`` lists the events; ``record_of`` int64 ``[n]`` is the row in ``states`` (-1 where the event
    does not name the entity), ``halves`` the same memory; ``scored`` events are read, those with a ``source`` are
    observed; ``values`` int64 ``[n, v]`` and ``present`` are what cells are made of. The record's features stand in
    ``out`` float32 ``[m, f]`` from column ``first`` on, those known before to the left. What is not read is NaN; the
    rows from ``m`` on (labels) have none.

    Everything that the loop calls is compiled into it, and it counts no references to arrays: counts are atomic
    operations, which once took most of the time.
    """
    merged = np.zeros(merged_words, dtype=np.int64)
    tiles_of = np.zeros((tables.groups.shape[0], 4), dtype=np.int64)
    known = np.full(KNOWN, math.nan)
    _fold(
        order,
        states,
        halves,
        record_of,
        scored,
        source_of,
        as_of,
        values,
        present,
        places,
        ttl_ms,
        tables,
        out,
        first,
        merged,
        tiles_of,
        known,
    )
