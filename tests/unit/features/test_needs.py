"""Which rings features need, and that they share them."""

import pytest

from paywarden.features.aggregations.aggregation import Source
from paywarden.features.cells import COUNT, MAX, SKETCH, SMALL_SKETCH, SQUARES, SUM
from paywarden.features.feature import Feature
from paywarden.features.needs import ANOMALY_ABOVE, ANOMALY_WINDOW, Ring, anomaly_reads, reads, rings
from paywarden.features.windows import DAY, DAY_MS, HOUR, HOUR_MS, MONTH, QUARTER, WEEK, Window

PAID, FRAUD, BACK = Source.AUTHORISATIONS, Source.FRAUD_LABELS, Source.REFUNDS
FORTNIGHT = Window(14 * DAY_MS, DAY_MS, "14d")


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (Feature("card", "count", None, DAY), [(COUNT, None, PAID, DAY)]),
        (Feature("card", "count_of", "small", DAY), [(COUNT, "small", PAID, DAY)]),
        (Feature("card", "refund_count", None, DAY), [(COUNT, None, BACK, DAY)]),
        (Feature("card", "share", "small", DAY), [(COUNT, "small", PAID, DAY), (COUNT, None, PAID, DAY)]),
        (Feature("card", "burst", None, HOUR, WEEK), [(COUNT, None, PAID, HOUR), (COUNT, None, PAID, WEEK)]),
        (
            Feature("card", "matured_fraud_rate", None, WEEK, FORTNIGHT),
            [(COUNT, None, FRAUD, WEEK), (COUNT, None, PAID, FORTNIGHT), (COUNT, None, PAID, WEEK)],
        ),
        (Feature("card", "sum", "amount", DAY), [(SUM, "amount", PAID, DAY)]),
        (Feature("card", "mean", "amount", DAY), [(COUNT, None, PAID, DAY), (SUM, "amount", PAID, DAY)]),
        (Feature("card", "mean", "extra_tip", DAY), [(COUNT, "extra_tip", PAID, DAY), (SUM, "extra_tip", PAID, DAY)]),
        (Feature("card", "max", "amount", DAY), [(MAX, "amount", PAID, DAY)]),
        (
            Feature("card", "std", "amount", MONTH),
            [(COUNT, None, PAID, MONTH), (SUM, "amount", PAID, MONTH), (SQUARES, "amount", PAID, MONTH)],
        ),
        (Feature("merchant", "distinct", "card", DAY), [(SKETCH, "card", PAID, DAY)]),
        (Feature("card", "distinct_few", "merchant", DAY), [(SMALL_SKETCH, "merchant", PAID, DAY)]),
        (Feature("card", "first_time_of", "hour", QUARTER), [(SMALL_SKETCH, "hour", PAID, QUARTER)]),
        (Feature("card_merchant", "first_time", None, QUARTER), [(COUNT, None, PAID, QUARTER)]),
        (Feature("card", "fraud_rate", None, DAY), [(COUNT, None, FRAUD, DAY), (COUNT, None, PAID, DAY)]),
        (Feature("card", "seconds_since_last"), []),
        (Feature("card", "seconds_since_fraud"), []),
        (Feature("card", "fraud_run_seconds"), []),
        (Feature("card", "speed_kmh"), []),
    ],
    ids=lambda value: value.name if isinstance(value, Feature) else "",
)
def test_what_a_feature_reads(feature, expected):
    assert reads(feature) == [
        (Ring(kind, field, source, window.tile_ms), window) for kind, field, source, window in expected
    ]


def test_a_ring_is_read_by_windows_of_several_lengths():
    found = rings(
        [Feature("card", "count", None, WEEK), Feature("card", "mean", "amount", Window(DAY_MS, DAY_MS, "1"))]
    )
    assert found == {Ring(COUNT, None, PAID, DAY_MS): {1, 7}, Ring(SUM, "amount", PAID, DAY_MS): {1}}


def test_both_windows_of_a_burst_are_of_one_ring_where_their_tiles_are_as_wide():
    hours = [Window(n * HOUR_MS, HOUR_MS, f"{n}h") for n in (2, 5)]
    assert rings([Feature("card", "burst", None, *hours)]) == {Ring(COUNT, None, PAID, HOUR_MS): {2, 5}}


def test_an_anomaly_needs_the_rings_of_a_zscore_besides_its_own():
    assert ANOMALY_WINDOW == MONTH
    assert ANOMALY_ABOVE == 3
    assert anomaly_reads() == reads(Feature("card", "zscore", "amount", MONTH))
    own = Ring(COUNT, "anomaly", PAID, DAY.tile_ms)
    assert set(rings([Feature("card", "count_of", "anomaly", DAY)])) == {own, *(ring for ring, _ in anomaly_reads())}


def test_no_features_need_no_rings():
    assert rings([]) == {}


def test_rings_are_in_one_order_whatever_that_of_the_features():
    features = [
        *(Feature("card", "fraud_rate", None, window) for window in (WEEK, DAY)),
        *(Feature("card", name, "amount", window) for name in ("zscore", "max") for window in (MONTH, HOUR)),
    ]
    assert list(rings(features)) == list(rings(features[::-1]))
    clocks = [ring.source.clock for ring in rings(features)]
    assert clocks == sorted(clocks)
