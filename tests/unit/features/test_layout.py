import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from tests.parity import streams

from paywarden.features import layout as layouts
from paywarden.features.aggregations.aggregation import Source
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.cells import CELL_WORDS, COUNT, MAX, NARROW, SKETCH, SMALL_SKETCH, SQUARES, SUM
from paywarden.features.feature import Feature
from paywarden.features.layout import CLOCKS, HEADER, layout_digest, record_layout
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.features.windows import DAY, DAY_MS, HOUR, MINUTE_MS, MONTH, QUARTER, WEEK, Window

FULL = full_catalogue(streams.SCHEMA)
BOTH = ("card", "merchant")


def of(*features, entities=BOTH, memory=Memory(), pairs=(), **more):  # noqa: B008 (frozen)
    return Catalogue(entities, features, memory, pairs, **more)


def card(*features, **more):
    return record_layout(of(*features, **more), "card")


def halves_of(layout):
    """The halves of words that each ring takes, in the order of offsets."""
    spans = []
    for block in layout.blocks:
        if block.ring.kind in NARROW:
            spans.append((block.offset, block.offset + block.tiles))
        else:
            words = block.tiles * CELL_WORDS[block.ring.kind]
            spans.append((2 * block.offset, 2 * (block.offset + words)))
    return sorted(spans)


def assert_tight(layout):
    spans = halves_of(layout)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans)), "no overlap"
    first = CLOCKS + len(layout.header)
    taken = sum(end - start for start, end in spans)
    assert all(2 * first <= start and end <= 2 * layout.words for start, end in spans)
    # A group of an odd number of narrow tiles leaves half a word.
    odd = sum(sum(b.tiles for b in group.blocks if b.ring.kind in NARROW) % 2 for group in layout.groups)
    assert 2 * layout.words == 2 * first + taken + odd


def assert_grouped(layout):
    end = CLOCKS + len(layout.header)
    for group in layout.groups:
        assert group.start == end
        end = group.stop
        for block in group.blocks:
            ring = block.ring
            assert (ring.source.clock, ring.tile_ms, block.tiles) == (group.clock, group.tile_ms, group.tiles)
            start = block.offset / 2 if ring.kind in NARROW else block.offset
            assert group.start <= start < group.stop
    assert layout.words == end


@pytest.mark.parametrize("catalogue", [FULL, core_catalogue()], ids=["full", "core"])
def test_rings_fill_the_record_without_gap_or_overlap(catalogue):
    for record in catalogue.records:
        layout = record_layout(catalogue, record)
        assert_tight(layout)
        assert_grouped(layout)
        assert layout.bytes == 8 * layout.words


@settings(max_examples=60, deadline=None)
@given(streams.catalogues())
def test_rings_of_any_catalogue_fill_its_records(catalogue):
    for record in catalogue.records:
        layout = record_layout(catalogue, record)
        assert_tight(layout)
        assert_grouped(layout)
        assert layout.record == record


def test_the_first_words_are_the_two_clocks_and_then_what_features_ask_for():
    assert CLOCKS == 2
    assert card(Feature("card", "count", None, DAY)).header == ()
    assert card(Feature("card", "seconds_since_last")).header == ("last_authorisation",)
    assert card(Feature("card", "seconds_since_fraud")).header == ()
    assert card(Feature("card", "fraud_run_seconds")).header == ("fraud_run_began",)
    assert card(Feature("card", "speed_kmh")).header == ("located_at", "place")
    every = ("speed_kmh", "fraud_run_seconds", "seconds_since_last")
    assert card(*(Feature("card", name) for name in every)).header == HEADER
    assert card(*(Feature("card", name) for name in every)).words == CLOCKS + 4


def test_an_entity_without_features_has_a_header_only():
    layout = card()
    assert (layout.words, layout.header, layout.blocks, layout.fields) == (CLOCKS, (), (), ("amount",))


def test_two_narrow_cells_share_a_word():
    assert card(Feature("card", "count", None, WEEK)).words == CLOCKS + 4
    assert card(Feature("card", "count", None, WEEK), Feature("card", "max", "amount", WEEK)).words == CLOCKS + 7
    assert card(Feature("card", "sum", "amount", WEEK)).words == CLOCKS + 7
    assert card(Feature("card", "distinct_few", "merchant", WEEK)).words == CLOCKS + 7
    assert card(Feature("card", "distinct", "merchant", WEEK)).words == CLOCKS + 7 * 4


def rings_of(layout):
    return [(block.ring.kind, block.ring.field, block.ring.tile_ms, block.tiles) for block in layout.blocks]


def test_windows_of_one_tile_width_share_the_ring_of_the_longest():
    longer = Window(9 * DAY_MS, DAY_MS, "9d")
    layout = card(Feature("card", "count", None, WEEK), Feature("card", "count", None, longer))
    assert rings_of(layout) == [(COUNT, None, DAY_MS, 9)]


def test_aggregations_share_equal_cells():
    apart = (Feature("card", "count", None, DAY), Feature("card", "sum", "amount", DAY))
    layout = card(*apart, Feature("card", "mean", "amount", DAY))
    assert {kind for kind, *_ in rings_of(layout)} == {COUNT, SUM}
    assert layout.words == card(*apart).words
    several = [Feature("card", name, "amount", MONTH) for name in ("std", "zscore", "ratio_to_mean")]
    assert {kind for kind, *_ in rings_of(card(*several))} == {COUNT, SUM, SQUARES}
    spread = [Feature("card", "distinct_few", "merchant", QUARTER), Feature("card", "first_time_of", "hour", QUARTER)]
    assert [kind for kind, *_ in rings_of(card(*spread))] == [SMALL_SKETCH] * 2


def test_sources_and_fields_have_rings_of_their_own():
    layout = card(Feature("card", "fraud_rate", None, DAY), Feature("card", "refund_count", None, DAY))
    assert [block.ring.source for block in layout.blocks] == [
        *(Source.AUTHORISATIONS, Source.REFUNDS, Source.FRAUD_LABELS),
    ]
    assert [group.clock for group in layout.groups] == [0, 1]
    fields = [Feature("card", "distinct", field, DAY) for field in ("merchant", "device")]
    layout = card(*fields, entities=("card", "merchant", "device"))
    assert layout.fields == ("amount", "device", "merchant")
    assert [ring[:2] for ring in rings_of(layout)] == [(SKETCH, "device"), (SKETCH, "merchant")]


def test_an_extra_has_a_count_of_its_own():
    layout = card(Feature("card", "mean", "extra_tip", DAY), Feature("card", "mean", "amount", DAY))
    assert {ring[:2] for ring in rings_of(layout)} == {
        *((COUNT, "extra_tip"), (SUM, "extra_tip"), (COUNT, None), (SUM, "amount")),
    }


def test_anomalies_bring_the_history_that_tells_them():
    layout = card(Feature("card", "count_of", "anomaly", DAY))
    told_by = {(COUNT, None, MONTH.tile_ms, 10), (SUM, "amount", MONTH.tile_ms, 10), (SQUARES, "amount", *MONTH_RING)}
    assert {*rings_of(layout)} == told_by | {(COUNT, "anomaly", DAY.tile_ms, 8)}
    assert layout.fields == ("amount", "anomaly")


MONTH_RING = (MONTH.tile_ms, MONTH.tiles)
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
        of(*BASE.features, Feature("card", "burst", None, HOUR, WEEK)),
        of(*BASE.features, Feature("card", "seconds_since_fraud")),
        of(*BASE.features, calendar=Calendar("Europe/Paris", "FR")),
        of(*BASE.features, request=("category_code", "is_holiday")),
    ],
    ids=["order", "cells that are there", "a shorter window", "a burst", "no cell", "calendar", "request"],
)
def test_what_stores_nothing_else_keeps_the_layout(catalogue):
    assert layout_digest(catalogue) == layout_digest(BASE)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Memory)])
def test_another_memory_is_another_layout(field):
    changed = dataclasses.replace(BASE, memory=dataclasses.replace(Memory(), **{field: 1}))
    assert layout_digest(changed) != layout_digest(BASE)


@pytest.mark.parametrize(
    "catalogue",
    [
        of(*BASE.features, Feature("card", "max", "amount", HOUR)),
        of(*BASE.features, Feature("card", "count", None, Window(9 * DAY_MS, DAY_MS, "9d"))),
        of(*BASE.features[:3], Feature("merchant", "count", None, WEEK)),
        of(*BASE.features[:3]),
        of(*BASE.features, Feature("card", "fraud_rate", None, WEEK)),
        of(*BASE.features, Feature("card", "refund_count", None, WEEK)),
        of(*BASE.features, Feature("card", "count", None, Window(MINUTE_MS, MINUTE_MS, "1m"))),
        of(*BASE.features, Feature("card", "seconds_since_last")),
        of(*BASE.features, entities=("merchant", "card")),
        of(*BASE.features, entities=("card", "merchant", "device")),
        of(*BASE.features, pairs=(BOTH,)),
    ],
    ids=[
        *("cell", "longer ring", "tile width", "fewer", "clock", "source", "finer tiles", "header"),
        *("routing entity", "entity", "pair"),
    ],
)
def test_another_stored_form_is_another_layout(catalogue):
    assert layout_digest(catalogue) != layout_digest(BASE)


@pytest.mark.parametrize(
    "pair",
    [
        [Feature("card", "distinct", field, DAY) for field in ("merchant", "card")],
        [Feature("card", name, "merchant", DAY) for name in ("distinct", "distinct_few")],
        [Feature("card", "count_of", field, DAY) for field in ("small", "round")],
        [Feature("card", "sum", "amount", DAY), Feature("card", "max", "amount", Window(16 * DAY_MS, DAY_MS, "x"))],
    ],
    ids=["fields", "widths", "sorts", "kinds"],
)
def test_records_that_are_as_wide_may_be_two_layouts(pair):
    one, other = (of(feature) for feature in pair)
    assert layout_digest(one) != layout_digest(other)


def test_the_zone_is_part_of_a_layout_that_stores_hours():
    hours = of(Feature("card", "first_time_of", "hour", QUARTER))
    assert layout_digest(dataclasses.replace(hours, calendar=Calendar("Europe/Paris"))) != layout_digest(hours)
    assert layout_digest(dataclasses.replace(hours, calendar=Calendar("UTC", "FR"))) == layout_digest(hours)


def test_newcomers_told_by_another_window_are_another_layout():
    month = Window(30 * DAY_MS, QUARTER.tile_ms // 3, "30d")
    counts = [Feature("card_merchant", "count", None, window) for window in (month, QUARTER)]
    stored = Feature("merchant", "count_of", "newcomer", DAY)
    one, other = (
        of(*counts, Feature("card_merchant", "first_time", None, window), stored, pairs=(BOTH,))
        for window in (month, QUARTER)
    )
    assert layout_digest(one) != layout_digest(other)


def test_layouts_are_digested_alike_everywhere():
    assert layout_digest(FULL) == layout_digest(Catalogue.from_dict(FULL.to_dict()))
    assert len(layout_digest(FULL)) == 64


def test_another_codec_is_another_layout(monkeypatch):
    before = layout_digest(BASE)
    monkeypatch.setattr(layouts, "CODEC_VERSION", layouts.CODEC_VERSION + 1)
    assert layout_digest(BASE) != before


def test_a_maximum_is_half_a_word_a_tile():
    assert MAX in NARROW
    assert COUNT in NARROW
    assert card(Feature("card", "max", "amount", DAY)).words == CLOCKS + 4
