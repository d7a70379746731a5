"""Rings of tiles in compiled code: finding the tiles of a time, merging windows, clearing what has passed, adding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.features.cells import (
    SKETCH_WORDS,
    Narrow,
    Wide,
    add_sketched,
    added_square,
    either_wide,
    larger,
    max_narrow,
    merge_sketches,
    small_bit,
    sum_narrow,
    sum_squares,
    sum_wide,
)
from paywarden.features.compiled import compiled, inlined
from paywarden.features.tables import Tables

NOW, HEAD, SLOT, NOW_SLOT = range(4)
"""Columns of ``tiles_of`` int64 ``[groups, 4]``, see :func:`locate`."""


@compiled
def longest_ring(groups: NDArray[np.void]) -> int:
    """Tiles of the longest ring of a record, 0 without any."""
    longest = 0
    for g in range(groups.shape[0]):
        longest = max(longest, groups[g].tiles)
    return longest


@inlined
def _quotient(number: int, divisor: int, inverse: float) -> int:
    """``number // divisor`` for what is below 2**52: the processor divides integers slowly."""
    quotient = int(float(number) * inverse)
    rest = number - quotient * divisor
    return quotient - int(rest < 0) + int(rest >= divisor)


@inlined
def locate(record: Wide, as_of: int, groups: NDArray[np.void], tiles_of: Wide) -> None:
    """For each group: its tile as of a time and its slot, the newest tile held, and the slot of the older of both."""
    for g in range(groups.shape[0]):
        group, found = groups[g], tiles_of[g]
        now = _quotient(as_of, group.tile_ms, group.per_tile_ms)
        now_slot = now - _quotient(now, group.tiles, group.per_tile) * group.tiles
        head = _quotient(record[group.clock], group.tile_ms, group.per_tile_ms)
        passed = now - head
        # Where all tiles are past, which one is the newest does not matter; where the time is, its slot is the older.
        head = now - group.tiles - 1 if passed > group.tiles else head
        slot = now_slot - passed if 0 < passed <= group.tiles else now_slot
        found[NOW], found[NOW_SLOT] = now, now_slot
        found[HEAD], found[SLOT] = head, slot + group.tiles if slot < 0 else slot


@inlined
def _cover(tiles: int, span: int, now: int, head: int, slot: int, covered: Wide) -> None:
    """Of which slots of a ring a window of ``span`` tiles up to ``now`` is made: all bits set, else none.

    ``slot`` is that of the older of ``now`` and ``head``, the newest tile held.
    """
    newest = min(now, head)
    oldest = max(now - span, head - tiles)
    for at in range(tiles):
        age = slot - at
        covered[at] = -np.int64(newest - (age if age >= 0 else age + tiles) > oldest)


@inlined
def merge_windows(record: Wide, narrow: Narrow, tables: Tables, tiles_of: Wide, covered: Wide, merged: Wide) -> None:
    """Fill ``merged`` with the cells of every window, as of the tiles that were located.

    Every loop goes once around a ring, and what the window does not cover is masked away: a loop whose length hangs on
    the event is mispredicted, and that costs more than adding a few zeros. ``covered`` is scratch.
    """
    merged[:] = 0
    merges = tables.merges
    for w in range(tables.windows.shape[0]):
        window = tables.windows[w]
        group, found = tables.groups[window.group], tiles_of[window.group]
        if record[group.clock] == 0:
            continue
        tiles = group.tiles
        _cover(tiles, window.span, found[NOW], found[HEAD], found[SLOT], covered)
        for m in range(window.counts, window.maxima):
            merged[merges[m].word] = sum_narrow(narrow, merges[m].ring, covered, tiles)
        for m in range(window.maxima, window.sums):
            merged[merges[m].word] = max_narrow(narrow, merges[m].ring, covered, tiles)
        for m in range(window.sums, window.squares):
            merged[merges[m].word] = sum_wide(record, merges[m].ring, covered, tiles)
        for m in range(window.squares, window.small_sketches):
            merged[merges[m].word] = sum_squares(record, merges[m].ring, covered, tiles)
        for m in range(window.small_sketches, window.sketches):
            merged[merges[m].word] = either_wide(record, merges[m].ring, covered, tiles)
        for m in range(window.sketches, window.end):
            merge_sketches(merged, merges[m].word, record, merges[m].ring, covered, tiles)


@inlined
def clear_passed_tiles(record: Wide, narrow: Narrow, clock: np.uint64, tables: Tables, tiles_of: Wide) -> None:
    """Clear the tiles that fall out of the rings of a clock when it moves on."""
    blocks = tables.blocks
    for g in range(tables.groups.shape[0]):
        group = tables.groups[g]
        passed = tiles_of[g, NOW] - tiles_of[g, HEAD]
        if passed <= 0 or group.clock != clock:
            continue
        if passed >= group.tiles:
            for word in range(group.start, group.stop):
                record[word] = 0
            continue
        slot = tiles_of[g, NOW_SLOT]
        for _ in range(passed):
            for b in range(group.counts, group.sums):
                narrow[blocks[b].offset + np.uint64(slot)] = 0
            for b in range(group.sums, group.sketches):
                record[blocks[b].offset + np.uint64(slot)] = 0
            for b in range(group.sketches, group.end):
                for word in range(SKETCH_WORDS):
                    record[blocks[b].offset + np.uint64(slot * SKETCH_WORDS + word)] = 0
            slot = slot - 1 if slot > 0 else group.tiles - 1


@inlined
def add_event(  # noqa: C901, PLR0912 (a loop a kind of cell)
    record: Wide,
    narrow: Narrow,
    source: int,
    clock: np.uint64,
    values: NDArray[np.int64],
    present: NDArray[np.bool_],
    tables: Tables,
    tiles_of: Wide,
    fresh: bool,
) -> None:
    """Add an event's ``values`` ``[v]``, those that are ``present``, to the newest tiles of the rings of its source.

    What is older than the oldest tile of a ring is left out of it, but a ``fresh`` record has none yet.
    """
    blocks = tables.blocks
    for g in range(tables.groups.shape[0]):
        group = tables.groups[g]
        if group.clock != clock or (not fresh and tiles_of[g, NOW] <= tiles_of[g, HEAD] - group.tiles):
            continue
        slot = np.uint64(tiles_of[g, NOW_SLOT])
        for b in range(group.counts, group.maxima):
            narrow[blocks[b].offset + slot] += np.uint32((blocks[b].source == source) & present[blocks[b].column])
        for b in range(group.maxima, group.sums):
            if blocks[b].source == source and present[blocks[b].column]:
                at = blocks[b].offset + slot
                narrow[at] = larger(narrow[at], values[blocks[b].column])
        for b in range(group.sums, group.squares):
            if blocks[b].source == source and present[blocks[b].column]:
                record[blocks[b].offset + slot] += values[blocks[b].column]
        for b in range(group.squares, group.small_sketches):
            if blocks[b].source == source and present[blocks[b].column]:
                at = blocks[b].offset + slot
                record[at] = added_square(record[at], values[blocks[b].column])
        for b in range(group.small_sketches, group.sketches):
            if blocks[b].source == source and present[blocks[b].column]:
                record[blocks[b].offset + slot] |= small_bit(values[blocks[b].column])
        for b in range(group.sketches, group.end):
            if blocks[b].source == source and present[blocks[b].column]:
                add_sketched(record, blocks[b].offset + slot * np.uint64(SKETCH_WORDS), values[blocks[b].column])
