"""Which rings of tiles a set of features needs in a record, each shared by all features that can read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from paywarden.features.aggregations import ALL
from paywarden.features.aggregations.aggregation import Source, Stored
from paywarden.features.feature import Feature
from paywarden.features.windows import MONTH, Window

ANOMALY_ABOVE = 3.0
"""Standard deviations above the mean from which on an amount is an anomaly."""
ANOMALY_WINDOW = MONTH
"""The history that an amount is held against to be called an anomaly."""
ANOMALY_STORES: tuple[Stored, ...] = ALL["zscore"].stores


class Ring(NamedTuple):
    """A ring of tiles: what its cells are made of, and how long a tile is."""

    kind: int
    field: str | None
    source: Source
    tile_ms: int


def reads(feature: Feature) -> list[tuple[Ring, Window]]:
    """The rings that a feature reads, each with the window over which it does."""
    return [
        (Ring(stored.kind, feature.field_of(stored), stored.source, window.tile_ms), window)
        for stored in feature.computation.stores
        for window in (feature.window_of(stored),)
    ]


def anomaly_reads() -> list[tuple[Ring, Window]]:
    """The rings by which a record tells an anomaly."""
    return [
        (Ring(s.kind, "amount" if s.of_field else None, s.source, ANOMALY_WINDOW.tile_ms), ANOMALY_WINDOW)
        for s in ANOMALY_STORES
    ]


def rings(features: Iterable[Feature]) -> dict[Ring, set[int]]:
    """Every ring that these features of one record need, with the lengths in tiles of the windows that read it."""
    found: dict[Ring, set[int]] = {}
    for feature in features:
        wanted = reads(feature) + (anomaly_reads() if feature.field == "anomaly" else [])
        for ring, window in wanted:
            found.setdefault(ring, set()).add(window.tiles)
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(ring: Ring) -> tuple[int, int, int, int, str]:
    # Rings of one clock and tile width stand together, so that the kernel finds their tiles once.
    return ring.source.clock, ring.tile_ms, ring.kind, ring.source, ring.field or ""
