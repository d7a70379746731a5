"""Where everything stands in a record.

A record is int64 words: the header, then one ring of tiles for every cell that some feature needs at some tile width.
The header is the latest time on each of the two clocks (``occurred_at`` of transactions, arrival of fraud labels; 0
when there is none) and what features ask for besides. Rings of one clock, tile width and length stand together, in a
group: first the cells of whole words, then the narrow ones, two to a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from paywarden.features.catalogue import Catalogue, canonical
from paywarden.features.cells import CELL_WORDS, NARROW, CellKind
from paywarden.features.feature import Feature
from paywarden.features.needs import Ring, anomaly_reads, reads, rings
from paywarden.features.results import RESULTS, Result
from paywarden.features.tables import BLOCK, FEATURE, GROUP, MERGE, WINDOW, Tables, table
from paywarden.features.windows import Window

CODEC_VERSION = 2
CLOCKS = 2
"""The first words of every record: the latest transaction, the latest arrival of a fraud label."""
HEADER = ("last_authorisation", "fraud_run_began", "located_at", "place")
"""What else a header may hold, one word each."""

_HEADER_OF = {
    Result.SECONDS_SINCE_LAST: HEADER[:1],
    Result.FRAUD_RUN_SECONDS: HEADER[1:2],
    Result.SPEED_KMH: HEADER[2:],
}

Slots = dict[tuple[Ring, int], int]
"""The word of the merged cell by ring and window length in tiles."""


@dataclass(frozen=True)
class Block:
    """A ring of ``tiles`` tiles from ``offset`` on (in halves of words for a narrow kind)."""

    ring: Ring
    tiles: int
    offset: int


@dataclass(frozen=True)
class Group:
    """Rings of one clock, tile width and length, which take the words from ``start`` to before ``stop``."""

    clock: int
    tile_ms: int
    tiles: int
    start: int
    stop: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class RecordLayout:
    """One kind of record, ``words`` int64 words wide: ``fields`` are the value columns, ``fields[0]`` the amount."""

    record: str
    words: int
    merged_words: int
    header: tuple[str, ...]
    groups: tuple[Group, ...]
    fields: tuple[str, ...]
    tables: Tables

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All rings."""
        return tuple(block for group in self.groups for block in group.blocks)

    @property
    def bytes(self) -> int:
        """Size of one record's words."""
        return 8 * self.words


def record_layout(catalogue: Catalogue, record: str) -> RecordLayout:
    """The layout that holds all features of ``record`` in this catalogue."""
    features = catalogue.of(record)
    needed = rings(features)
    header = _header(features)
    groups = _groups({ring: max(tiles) for ring, tiles in needed.items()}, CLOCKS + len(header))
    fields = _fields(features, needed)
    windows, merges, slots, merged = _windows(groups, needed)
    starts = np.cumsum([0, *(len(group.blocks) for group in groups)]).tolist()
    blocks = [
        [fields.index(block.ring.field or "amount"), block.ring.source, block.offset]
        for group in groups
        for block in group.blocks
    ]
    by_result = sorted(enumerate(features), key=lambda item: item[1].computation.reads)
    reads_by_result = [int(feature.computation.reads) for _, feature in by_result]
    tables = Tables(
        groups=table(
            [
                [g.clock, g.tile_ms, g.tiles, 1 / g.tile_ms, 1 / g.tiles, g.start, g.stop, *_by_kind(g.blocks, first)]
                for g, first in zip(groups, starts, strict=False)
            ],
            GROUP,
        ),
        blocks=table(blocks, BLOCK),
        windows=table(windows, WINDOW),
        merges=table(merges, MERGE),
        features=table([[place, *_reads(feature, slots, fields)] for place, feature in by_result], FEATURE),
        results=np.searchsorted(reads_by_result, np.arange(RESULTS + 1)).astype(np.int64),
        header=np.array([CLOCKS + header.index(w) if w in header else -1 for w in HEADER], np.int64),
        flags=_flags(catalogue, record, fields, slots),
    )
    words = groups[-1].stop if groups else CLOCKS + len(header)
    return RecordLayout(record, words, max(merged, 1), header, groups, fields, tables)


def layout_digest(catalogue: Catalogue) -> str:
    """Names the stored form of all records: equal digests, interchangeable stores."""
    layouts = [record_layout(catalogue, record) for record in catalogue.records]
    memory = catalogue.memory
    described = {
        "codec": CODEC_VERSION,
        "records": [[x.record, list(x.header), [[*b.ring, b.tiles] for b in x.blocks]] for x in layouts],
        "newcomers": [_told_by(catalogue, x.record) for x in layouts if "newcomer" in x.fields],
        "hours": catalogue.calendar.timezone if any("hour" in layout.fields for layout in layouts) else None,
        "routing": [catalogue.entities[:1], memory.ids, memory.labelled_ids],
        "ttl_ms": [memory.record_ttl_ms, memory.ids_ttl_ms, memory.labelled_ttl_ms],
    }
    return hashlib.sha256(canonical(described)).hexdigest()


def _told_by(catalogue: Catalogue, record: str) -> str:
    """The feature that tells a newcomer, whose name says its window: it decides what enters cells of newcomers."""
    return catalogue.names[catalogue.newcomer(record)]


def _header(features: Sequence[Feature]) -> tuple[str, ...]:
    asked = {word for feature in features for word in _HEADER_OF.get(feature.computation.reads, ())}
    return tuple(word for word in HEADER if word in asked)


def _groups(lengths: dict[Ring, int], offset: int) -> tuple[Group, ...]:
    """The groups of these rings, one after the other from word ``offset`` on."""

    def group_of(ring: Ring) -> tuple[int, int, int]:
        return ring.source.clock, ring.tile_ms, lengths[ring]

    groups = []
    for (clock, tile_ms, tiles), members in groupby(sorted(lengths, key=group_of), key=group_of):
        start, blocks = offset, []
        by_kind = sorted(members, key=lambda ring: (ring.kind, ring.source, ring.field or ""))
        for ring in by_kind:
            if ring.kind not in NARROW:
                blocks.append(Block(ring, tiles, offset))
                offset += tiles * CELL_WORDS[ring.kind]
        half = 2 * offset
        for ring in by_kind:
            if ring.kind in NARROW:
                blocks.append(Block(ring, tiles, half))
                half += tiles
        offset = (half + 1) // 2
        blocks.sort(key=lambda block: by_kind.index(block.ring))
        groups.append(Group(clock, tile_ms, tiles, start, offset, tuple(blocks)))
    return tuple(groups)


def _windows(
    groups: Sequence[Group], needed: dict[Ring, set[int]]
) -> tuple[list[list[int]], list[list[int]], Slots, int]:
    """The rows of ``windows`` and ``merges``, the merged cells by ring and window, and how many words they take."""
    windows: list[list[int]] = []
    merges: list[list[int]] = []
    slots: Slots = {}
    merged = 0
    for number, group in enumerate(groups):
        for tiles in sorted({tiles for block in group.blocks for tiles in needed[block.ring]}):
            read = [block for block in group.blocks if tiles in needed[block.ring]]
            windows.append([number, tiles, *_by_kind(read, len(merges))])
            for block in read:
                merges.append([block.offset, merged])
                slots[block.ring, tiles] = merged
                merged += CELL_WORDS[block.ring.kind]
    return windows, merges, slots, merged


def _by_kind(blocks: Sequence[Block], first: int) -> list[int]:
    """Where each kind begins among blocks ordered by kind, the first of which is at ``first``, and where they end."""
    bounds = np.searchsorted([block.ring.kind for block in blocks], np.arange(len(CellKind) + 1))
    return (first + bounds).tolist()


def _fields(features: Sequence[Feature], needed: dict[Ring, set[int]]) -> tuple[str, ...]:
    others = {ring.field for ring in needed} | {feature.field for feature in features}
    return ("amount", *sorted(field for field in others if field not in (None, "amount")))


def _slots(wanted: list[tuple[Ring, Window]], slots: Slots) -> list[int]:
    return [slots[ring, window.tiles] for ring, window in wanted]


def _reads(feature: Feature, slots: Slots, fields: tuple[str, ...]) -> list[int]:
    chosen = [*_slots(reads(feature), slots), 0, 0, 0][:3]
    if feature.computation.reads == Result.BURST and feature.window and feature.baseline:
        chosen[2] = round(feature.baseline.duration_ms / feature.window.duration_ms)
    return [*chosen, fields.index(feature.field or "amount")]


def _flags(catalogue: Catalogue, record: str, fields: tuple[str, ...], slots: Slots) -> NDArray[np.int64]:
    flags = [-1] * 6
    if "newcomer" in fields:
        flags[:2] = [fields.index("newcomer"), catalogue.newcomer(record)]
    if "anomaly" in fields:
        flags[2:] = [fields.index("anomaly"), *_slots(anomaly_reads(), slots)]
    return np.array(flags, np.int64)
