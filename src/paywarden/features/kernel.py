"""The compiled fold: for every event in order, read its entity's record, then observe the event."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from paywarden.features.aggregations.aggregation import Source
from paywarden.features.aggregations.fraud_age import RUN_GAP_MS
from paywarden.features.cells import (
    CELL_WORDS,
    COUNT,
    MAX,
    NARROW,
    SKETCH,
    SMALL_SKETCH,
    SQUARES,
    SUM,
    CellKind,
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
from paywarden.features.compiled import compiled
from paywarden.features.layout import Tables
from paywarden.features.needs import ANOMALY_ABOVE
from paywarden.features.places import kilometres_between
from paywarden.features.results import FIRST_KNOWN, KNOWN, Result, finalise_all, zscore

_CELL_WORDS = np.array([CELL_WORDS[int(kind)] for kind in CellKind], dtype=np.int64)
_IS_NARROW = np.array([int(kind) in NARROW for kind in CellKind], dtype=np.bool_)
_FRAUD_LABELS, _AUTHORISATIONS = int(Source.FRAUD_LABELS), int(Source.AUTHORISATIONS)
_CLOCK, _TILE_MS, _TILES, _START, _STOP, _FIRST_BLOCK, _END_BLOCK = range(7)
_KIND, _COLUMN, _SOURCE, _OFFSET = range(4)
_GROUP, _SPAN, _KINDS = range(3)
_LAST, _RUN_BEGAN, _LOCATED_AT, _PLACE = range(4)
_NEWCOMER, _TOLD_BY, _ANOMALY, _COUNT_SLOT, _SUM_SLOT, _SQUARES_SLOT = range(6)
_SINCE_LAST, _SINCE_FRAUD, _FRAUD_RUN, _SPEED = (int(result) - FIRST_KNOWN for result in list(Result)[FIRST_KNOWN:])
_SHORTEST_TRIP_MS = 60_000
_HOUR_MS = 3_600_000.0


@compiled
def is_idle(record: Wide, as_of: int, ttl_ms: int) -> bool:
    """Whether the record is older than its time to live, so that it reads as empty."""
    return as_of - max(record[0], record[1]) > ttl_ms


@compiled
def _merge_windows(  # noqa: C901, PLR0912 (a loop a kind of cell)
    record: Wide, narrow: Narrow, as_of: int, tables: Tables, merged: Wide
) -> None:
    """Fill ``merged`` with the cells of every window as of a time."""
    merged[:] = 0
    groups, windows, merges = tables.groups, tables.windows, tables.merges
    for w in range(windows.shape[0]):
        group, span = windows[w, _GROUP], windows[w, _SPAN]
        clock, tile_ms, tiles = groups[group, _CLOCK], groups[group, _TILE_MS], groups[group, _TILES]
        latest = record[clock]
        # Most rings of a quiet record are past: told without a division.
        if latest == 0 or as_of - latest >= span * tile_ms:
            continue
        now, head = as_of // tile_ms, latest // tile_ms
        newest = min(now, head)
        count = newest - max(now - span, head - tiles)
        if count <= 0:
            continue
        # Tiles newest - count + 1 to newest: one run of slots, or two around the ring's end.
        stop = newest % tiles + 1
        start = stop - count
        wrapped = start < 0
        second = start + tiles
        start = max(start, 0)
        for m in range(windows[w, _KINDS + COUNT], windows[w, _KINDS + COUNT + 1]):
            ring = merges[m, 0]
            total = sum_narrow(narrow, ring + start, ring + stop)
            if wrapped:
                total += sum_narrow(narrow, ring + second, ring + tiles)
            merged[merges[m, 1]] = total
        for m in range(windows[w, _KINDS + SUM], windows[w, _KINDS + SUM + 1]):
            ring = merges[m, 0]
            total = sum_wide(record, ring + start, ring + stop)
            if wrapped:
                total += sum_wide(record, ring + second, ring + tiles)
            merged[merges[m, 1]] = total
        for m in range(windows[w, _KINDS + MAX], windows[w, _KINDS + MAX + 1]):
            ring = merges[m, 0]
            largest = max_narrow(narrow, ring + start, ring + stop)
            if wrapped:
                largest = max(largest, max_narrow(narrow, ring + second, ring + tiles))
            merged[merges[m, 1]] = largest
        for m in range(windows[w, _KINDS + SQUARES], windows[w, _KINDS + SQUARES + 1]):
            ring = merges[m, 0]
            squares = sum_squares(record, ring + start, ring + stop)
            if wrapped:
                squares = add_squares(squares, sum_squares(record, ring + second, ring + tiles))
            merged[merges[m, 1]] = squares
        for m in range(windows[w, _KINDS + SMALL_SKETCH], windows[w, _KINDS + SMALL_SKETCH + 1]):
            ring = merges[m, 0]
            bits = either_wide(record, ring + start, ring + stop)
            if wrapped:
                bits |= either_wide(record, ring + second, ring + tiles)
            merged[merges[m, 1]] = bits
        for m in range(windows[w, _KINDS + SKETCH], windows[w, _KINDS + SKETCH + 1]):
            ring, at, words = merges[m, 0], merges[m, 1], _CELL_WORDS[SKETCH]
            merge_sketches(merged, at, record, ring + start * words, ring + stop * words)
            if wrapped:
                merge_sketches(merged, at, record, ring + second * words, ring + tiles * words)


@compiled
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


@compiled
def _clear_passed_tiles(record: Wide, narrow: Narrow, clock: int, latest: int, as_of: int, tables: Tables) -> None:
    """Clear the tiles that fall out of each ring of a clock when it moves from ``latest`` to ``as_of``."""
    groups, blocks = tables.groups, tables.blocks
    for group in range(groups.shape[0]):
        if groups[group, _CLOCK] != clock:
            continue
        tile_ms, tiles = groups[group, _TILE_MS], groups[group, _TILES]
        if as_of - latest >= (tiles + 1) * tile_ms:
            record[groups[group, _START] : groups[group, _STOP]] = 0
            continue
        before, head = latest // tile_ms, as_of // tile_ms
        passed = head - before
        if passed == 0:
            continue
        if passed >= tiles:
            record[groups[group, _START] : groups[group, _STOP]] = 0
            continue
        first = (before + 1) % tiles
        for b in range(groups[group, _FIRST_BLOCK], groups[group, _END_BLOCK]):
            kind, offset = blocks[b, _KIND], blocks[b, _OFFSET]
            words = _CELL_WORDS[kind]
            slot = first
            for _ in range(passed):
                at = offset + slot * words
                if _IS_NARROW[kind]:
                    narrow[at] = 0
                else:
                    for word in range(words):
                        record[at + word] = 0
                slot = slot + 1 if slot + 1 < tiles else 0


@compiled
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


@compiled
def _observe_event(
    record: Wide,
    narrow: Narrow,
    source: int,
    as_of: int,
    values: NDArray[np.int64],
    present: NDArray[np.bool_],
    event: int,
    place: int,
    ttl_ms: int,
    tables: Tables,
) -> None:
    """Add one event to the record, in place: tiles fallen out of a ring are cleared, one too old is ignored."""
    if is_idle(record, as_of, ttl_ms):
        record[:] = 0
    clock = 1 if source == _FRAUD_LABELS else 0
    last_report, latest = record[1], record[clock]
    if as_of > latest:
        record[clock] = as_of
        if latest > 0:
            _clear_passed_tiles(record, narrow, clock, latest, as_of, tables)
    _write_header(record, source, as_of, place, last_report, tables.header)
    groups, blocks = tables.groups, tables.blocks
    for group in range(groups.shape[0]):
        if groups[group, _CLOCK] != clock:
            continue
        tile_ms, tiles = groups[group, _TILE_MS], groups[group, _TILES]
        tile = as_of // tile_ms
        if as_of < latest and tile <= latest // tile_ms - tiles:
            continue
        slot = tile % tiles
        for b in range(groups[group, _FIRST_BLOCK], groups[group, _END_BLOCK]):
            if blocks[b, _SOURCE] == source and present[event, blocks[b, _COLUMN]]:
                kind = blocks[b, _KIND]
                at = blocks[b, _OFFSET] + slot * _CELL_WORDS[kind]
                add_cell(kind, record, narrow, at, values[event, blocks[b, _COLUMN]])


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
    """
    features = tables.features.shape[0]
    flags = tables.flags
    newcomer, told_by, anomaly = flags[_NEWCOMER], flags[_TOLD_BY], flags[_ANOMALY]
    merged = np.zeros(merged_words, dtype=np.int64)
    known = np.full(KNOWN, math.nan)
    for i in order:
        if record_of[i] < 0 or not scored[i]:
            if i < out.shape[0]:
                out[i, first : first + features] = math.nan
            if record_of[i] < 0:
                continue
        record, narrow = states[record_of[i]], halves[record_of[i]]
        if scored[i]:
            if newcomer >= 0:
                present[i, newcomer] = out[i, told_by] == 1.0
            if is_idle(record, as_of[i], ttl_ms):
                merged[:] = 0
                known[:] = math.nan
            else:
                _merge_windows(record, narrow, as_of[i], tables, merged)
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
            _observe_event(
                record, narrow, source_of[i], as_of[i], values, present, i, places[i], ttl_ms, tables
            )  # fmt: skip
