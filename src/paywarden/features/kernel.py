"""The compiled fold: for every event in order, read its entity's record, then observe the event."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from paywarden.features.cells import Narrow, Wide
from paywarden.features.compiled import compiled, inlined, uncounted
from paywarden.features.header import FRAUD_LABELS, is_idle, read_header, write_header
from paywarden.features.needs import ANOMALY_ABOVE
from paywarden.features.prefetch import LINE_WORDS, prefetch
from paywarden.features.results import KNOWN, finalise_all, zscore
from paywarden.features.tables import Tables
from paywarden.features.tiles import add_event, clear_passed_tiles, locate, longest_ring, merge_windows

_NEWCOMER, _TOLD_BY, _ANOMALY, _COUNT_WORD, _SUM_WORD, _SQUARES_WORD = range(6)
_AHEAD = 6
"""Records are fetched into the cache this many events before they are read."""


@inlined
def _observe_event(
    record: Wide,
    narrow: Narrow,
    source: int,
    as_of: int,
    values: NDArray[np.int64],
    present: NDArray[np.bool_],
    place: int,
    tables: Tables,
    tiles_of: Wide,
) -> None:
    """Add one event to the record, in place: tiles fallen out of a ring are cleared, one too old is ignored."""
    # Unsigned as in the tables: compared with a signed number, both would become floats.
    clock = np.uint64(1) if source == FRAUD_LABELS else np.uint64(0)
    last_report, latest = record[1], record[clock]
    if latest > 0:
        clear_passed_tiles(record, narrow, clock, tables, tiles_of)
    record[clock] = max(latest, as_of)
    write_header(record, source, as_of, place, last_report, tables.header)
    add_event(record, narrow, source, clock, values, present, tables, tiles_of, latest == 0)


@inlined
def _fetch(states: NDArray[np.int64], row: int) -> None:
    """Have a record in the cache soon; -1 is none."""
    if row >= 0:
        for word in range(0, states.shape[1], LINE_WORDS):
            prefetch(states, row, word)


@inlined
def _is_anomaly(merged: Wide, flags: NDArray[np.int64], amount: np.int64) -> bool:
    """Whether an amount lies far above the record's own history."""
    count, total, squares = merged[flags[_COUNT_WORD]], merged[flags[_SUM_WORD]], merged[flags[_SQUARES_WORD]]
    return zscore(count, total, squares, float(amount)) > ANOMALY_ABOVE


@uncounted
def _fold(  # noqa: C901, PLR0912 (a call costs more than a branch)
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
    covered: Wide,
    known: NDArray[np.float64],
) -> None:
    """The loop of :func:`fold_events`, with scratch: merged cells, located groups, a window's slots, the header's."""
    features = tables.features.shape[0]
    flags = tables.flags
    newcomer, told_by, anomaly = flags[_NEWCOMER], flags[_TOLD_BY], flags[_ANOMALY]
    for at in range(order.shape[0]):
        if at + _AHEAD < order.shape[0]:
            _fetch(states, record_of[order[at + _AHEAD]])
        i = order[at]
        if record_of[i] < 0 or not scored[i]:
            if i < out.shape[0]:
                out[i, first : first + features] = math.nan
            if record_of[i] < 0:
                continue
        record, narrow, row, fields = states[record_of[i]], halves[record_of[i]], values[i], present[i]
        idle = is_idle(record, as_of[i], ttl_ms)
        if scored[i]:
            if newcomer >= 0:
                fields[newcomer] = out[i, told_by] == 1.0
            if idle:
                merged[:] = 0
                known[:] = math.nan
            else:
                locate(record, as_of[i], tables.groups, tiles_of)
                merge_windows(record, narrow, tables, tiles_of, covered, merged)
                read_header(record, as_of[i], places[i], tables.header, known)
            finalise_all(tables.features, tables.results, merged, row, fields, known, out[i, first : first + features])
            if anomaly >= 0:
                fields[anomaly] = _is_anomaly(merged, flags, row[0])
        if source_of[i] >= 0:
            if idle:
                record[:] = 0
            if idle or not scored[i]:
                locate(record, as_of[i], tables.groups, tiles_of)
            _observe_event(record, narrow, source_of[i], as_of[i], row, fields, places[i], tables, tiles_of)


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
    covered = np.zeros(longest_ring(tables.groups), dtype=np.int64)
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
        covered,
        known,
    )
