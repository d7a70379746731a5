import dataclasses

import numpy as np
import pytest

from paywarden.features import layout as layouts
from paywarden.features.aggregations.aggregation import Clock
from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.cells import COUNT, SKETCH, SKETCH_WORDS, SUM
from paywarden.features.feature import Feature
from paywarden.features.layout import HEADER_WORDS, entity_layout, layout_digest
from paywarden.features.templates import core_catalogue
from paywarden.features.windows import DAY, DAY_MS, HOUR, MINUTE_MS, MONTH, WEEK, Window

CORE = core_catalogue()


def of(*features, entities=("card", "merchant"), memory=None):
    return Catalogue(entities, features, memory or Memory())


def test_a_card_takes_at_most_two_kilobytes():
    assert entity_layout(CORE, "card").bytes <= 2048


@pytest.mark.parametrize("entity", CORE.entities)
def test_rings_fill_the_record_without_gap_or_overlap(entity):
    layout = entity_layout(CORE, entity)
    end = HEADER_WORDS
    for ring in layout.rings:
        assert ring.offset == end
        end += ring.tiles * ring.words
    assert layout.words == end
    assert layout.blocks.shape == (len(layout.rings), 8)
    assert layout.features.shape == (len(CORE.of(entity)), 4)
    assert layout.spans[:, 1].max() < layout.scratch_words


def test_windows_of_one_tile_width_share_the_ring_of_the_longest():
    rings = entity_layout(of(Feature("card", "count", None, WEEK), Feature("card", "count", None, MONTH)), "card").rings
    assert [(ring.kind, ring.tile_ms, ring.tiles) for ring in rings] == [(COUNT, DAY_MS, 30)]


def test_aggregations_share_equal_cells():
    apart = of(Feature("card", "count", None, DAY), Feature("card", "sum", "amount", DAY))
    layout = entity_layout(of(*apart.features, Feature("card", "mean", "amount", DAY)), "card")
    assert [ring.kind for ring in layout.rings] == [COUNT, SUM]
    assert layout.words == entity_layout(apart, "card").words


def test_clocks_and_fields_have_rings_of_their_own():
    layout = entity_layout(of(Feature("card", "fraud_rate", None, DAY)), "card")
    assert [ring.clock for ring in layout.rings] == [Clock.TRANSACTIONS, Clock.FRAUD_LABELS]
    fields = [Feature("card", "distinct", field, DAY) for field in ("merchant", "device")]
    layout = entity_layout(of(*fields, entities=("card", "merchant", "device")), "card")
    assert layout.fields == ("device", "merchant")
    assert [(ring.kind, ring.field, ring.words) for ring in layout.rings] == [
        (SKETCH, "device", SKETCH_WORDS),
        (SKETCH, "merchant", SKETCH_WORDS),
    ]
    assert layout.blocks[:, 1].tolist() == [1, 2]


def test_an_entity_without_features_has_a_header_only():
    layout = entity_layout(of(), "card")
    assert (layout.words, layout.blocks.shape, layout.features.shape) == (HEADER_WORDS, (0, 8), (0, 4))
    assert layout.blocks.dtype == np.int64


BASE = of(
    Feature("card", "count", None, WEEK),
    Feature("card", "count", None, HOUR),
    Feature("card", "sum", "amount", HOUR),
    Feature("merchant", "count", None, DAY),
)


@pytest.mark.parametrize(
    "catalogue",
    [
        of(*reversed(BASE.features)),
        of(*BASE.features, Feature("card", "mean", "amount", HOUR)),
        of(*BASE.features, Feature("card", "count", None, Window(2 * DAY_MS, DAY_MS, "2d"))),
        of(*BASE.features, Feature("card", "seconds_since_last")),
    ],
    ids=["another order", "an aggregation of cells that are there", "a shorter window", "no cell"],
)
def test_what_stores_nothing_else_keeps_the_layout(catalogue):
    assert layout_digest(catalogue) == layout_digest(BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"record_ttl_ms": 1},
        {"ids": 17},
        {"ids_ttl_ms": 1},
        {"labelled_ids": 9},
        {"labelled_ttl_ms": 1},
    ],
)
def test_another_memory_is_another_layout(change):
    changed = dataclasses.replace(BASE, memory=dataclasses.replace(Memory(), **change))
    assert layout_digest(changed) != layout_digest(BASE)


@pytest.mark.parametrize(
    "catalogue",
    [
        of(*BASE.features, Feature("card", "max", "amount", HOUR)),
        of(*BASE.features, Feature("card", "count", None, MONTH)),
        of(*BASE.features[:3], Feature("merchant", "count", None, WEEK)),
        of(*BASE.features[:3]),
        of(*BASE.features, Feature("card", "fraud_rate", None, WEEK)),
        of(*BASE.features, Feature("card", "count", None, Window(MINUTE_MS, MINUTE_MS, "1m"))),
        of(*BASE.features, entities=("merchant", "card")),
        of(*BASE.features, entities=("card", "merchant", "device")),
    ],
    ids=["cell", "longer ring", "tile width", "fewer", "clock", "finer tiles", "routing entity", "entity"],
)
def test_another_stored_form_is_another_layout(catalogue):
    assert layout_digest(catalogue) != layout_digest(BASE)


def test_distinct_counts_of_two_fields_are_two_layouts():
    by_field = [of(Feature("card", "distinct", f, DAY), entities=("card", "a", "b")) for f in ("a", "b")]
    assert layout_digest(by_field[0]) != layout_digest(by_field[1])


def test_another_codec_is_another_layout(monkeypatch):
    before = layout_digest(BASE)
    monkeypatch.setattr(layouts, "CODEC_VERSION", layouts.CODEC_VERSION + 1)
    assert layout_digest(BASE) != before
