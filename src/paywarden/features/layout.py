"""Where everything stands in a record, and the tables by which the kernel walks it.

An entity's record is int64 words: the header (the time of its latest transaction, the arrival of its latest fraud
label), then one ring of tiles for every cell that some feature needs at some tile width.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.features.aggregations.aggregation import Clock
from paywarden.features.catalogue import Catalogue
from paywarden.features.cells import CELL_WORDS
from paywarden.features.feature import Feature
from paywarden.features.windows import Window

CODEC_VERSION = 1
HEADER_WORDS = 2
"""Word ``Clock.TRANSACTIONS`` and word ``Clock.FRAUD_LABELS``: the latest time on each clock, 0 when there is none."""

AMOUNT = 0
"""The column of an event's amount among its values; the tokens' hashes of other entities follow."""


@dataclass(frozen=True)
class Block:
    """A ring of tiles of one cell: ``tiles`` slots of ``words`` words each, from word ``offset`` on."""

    kind: int
    field: str | None
    clock: Clock
    tile_ms: int
    tiles: int
    offset: int

    @property
    def words(self) -> int:
        """Width of one tile's cell."""
        return CELL_WORDS[self.kind]


@dataclass(frozen=True)
class EntityLayout:
    """One entity's record and its kernel tables.

    ``blocks`` int64 ``[b, 8]``: kind, value column, clock, tile_ms, tiles, offset, first span, end span;
    ``spans`` int64 ``[s, 2]``: tiles, slot in the merged scratch; ``features`` int64 ``[f, 4]``: result, three slots.
    """

    entity: str
    words: int
    scratch_words: int
    rings: tuple[Block, ...]
    fields: tuple[str, ...]
    blocks: NDArray[np.int64]
    spans: NDArray[np.int64]
    features: NDArray[np.int64]

    @property
    def bytes(self) -> int:
        """Size of one record's words."""
        return 8 * self.words


Need = tuple[int, str | None, Clock, int]


def entity_layout(catalogue: Catalogue, entity: str) -> EntityLayout:
    """The layout that holds all features of ``entity`` in this catalogue."""
    features = catalogue.of(entity)
    needs = _needs(features)
    fields = tuple(sorted({field for _, field, _, _ in needs if field not in (None, "amount")}))
    rings: list[Block] = []
    blocks: list[list[int]] = []
    spans: list[list[int]] = []
    slots: dict[tuple[Need, int], int] = {}
    offset, scratch = HEADER_WORDS, 0
    for need, tile_counts in needs.items():
        kind, field, clock, tile_ms = need
        ring = Block(kind, field, clock, tile_ms, max(tile_counts), offset)
        first_span = len(spans)
        for tiles in sorted(tile_counts):
            spans.append([tiles, scratch])
            slots[need, tiles] = scratch
            scratch += ring.words
        column = 1 + fields.index(field) if field in fields else AMOUNT
        blocks.append([kind, column, clock, tile_ms, ring.tiles, offset, first_span, len(spans)])
        rings.append(ring)
        offset += ring.tiles * ring.words
    return EntityLayout(
        entity=entity,
        words=offset,
        scratch_words=max(scratch, 1),
        rings=tuple(rings),
        fields=fields,
        blocks=np.array(blocks, np.int64).reshape(-1, 8),
        spans=np.array(spans, np.int64).reshape(-1, 2),
        features=np.array([_reads(feature, slots) for feature in features], np.int64).reshape(-1, 4),
    )


def layout_digest(catalogue: Catalogue) -> str:
    """Names the stored form of all entities' state: equal digests, interchangeable stores."""
    entities = {
        entity: [[r.kind, r.field, int(r.clock), r.tile_ms, r.tiles] for r in entity_layout(catalogue, entity).rings]
        for entity in catalogue.entities
    }
    memory = catalogue.memory
    described = {
        "codec": CODEC_VERSION,
        "entities": entities,
        "routing": [catalogue.entities[0], memory.ids, memory.labelled_ids],
        "ttl_ms": [memory.record_ttl_ms, memory.ids_ttl_ms, memory.labelled_ttl_ms],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _windowed(feature: Feature) -> list[tuple[Need, Window]]:
    if feature.window is None:
        return []
    return [
        ((s.kind, feature.field if s.of_field else None, s.clock, feature.window.tile_ms), feature.window)
        for s in feature.computation.stores
    ]


def _needs(features: tuple[Feature, ...]) -> dict[Need, set[int]]:
    needs: dict[Need, set[int]] = {}
    for feature in features:
        for need, window in _windowed(feature):
            needs.setdefault(need, set()).add(window.tiles)
    return dict(sorted(needs.items(), key=lambda item: (item[0][2], item[0][3], item[0][0], item[0][1] or "")))


def _reads(feature: Feature, slots: dict[tuple[Need, int], int]) -> list[int]:
    chosen = [slots[need, window.tiles] for need, window in _windowed(feature)]
    return [int(feature.computation.reads), *chosen, *([0] * (3 - len(chosen)))]
