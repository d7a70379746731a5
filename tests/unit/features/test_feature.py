import pytest

from paywarden.features.aggregations import ALL
from paywarden.features.feature import Feature
from paywarden.features.windows import DAY, DAY_MS, HOUR, MONTH, QUARTER, WEEK, Window


@pytest.mark.parametrize(
    ("feature", "name", "meaning"),
    [
        (Feature("card", "sum", "amount", HOUR), "card_sum_amount_1h", "sum of amount of the card in 1h"),
        (Feature("device", "count", None, MONTH), "device_count_30d", "transactions of the device in 30d"),
        (
            Feature("card", "seconds_since_last"),
            "card_seconds_since_last",
            "seconds since the latest transaction of the card",
        ),
        (
            Feature("merchant", "distinct", "card", HOUR),
            "merchant_distinct_card_1h",
            "distinct cards (estimate) of the merchant in 1h",
        ),
        (
            Feature("card", "distinct_few", "merchant", DAY),
            "card_distinct_merchant_1d",
            "distinct merchants (estimate) of the card in 1d",
        ),
        (
            Feature("card", "count_of", "declined", DAY),
            "card_count_declined_1d",
            "declined transactions of the card in 1d",
        ),
        (Feature("card", "refund_count", None, MONTH), "card_refund_count_30d", "refunds of the card in 30d"),
        (
            Feature("card_merchant", "first_time", None, QUARTER),
            "card_merchant_first_time_90d",
            "first transaction (0 or 1) of the card and merchant in 90d",
        ),
        (
            Feature("card", "first_time_of", "category", QUARTER),
            "card_first_time_category_90d",
            "first time of this category (0 or 1) of the card in 90d",
        ),
        (
            Feature("merchant", "burst", None, HOUR, WEEK),
            "merchant_burst_1h_7d",
            "transactions ÷ what is normal of the merchant in 1h, against 7d",
        ),
        (
            Feature("card", "mean", "extra_basket_size", DAY),
            "card_mean_extra_basket_size_1d",
            "mean basket size of the card in 1d",
        ),
        (
            Feature("card", "speed_kmh"),
            "card_speed_kmh",
            "speed needed since the last located transaction, km/h of the card",
        ),
    ],
)
def test_name_and_meaning_follow_from_the_definition(feature, name, meaning):
    assert (feature.name, feature.meaning) == (name, meaning)
    assert feature.computation is ALL[feature.aggregation]


@pytest.mark.parametrize(
    ("aggregation", "field", "windows", "message"),
    [
        ("median", "amount", (HOUR,), "no aggregation 'median'; there are burst, count, "),
        ("sum", "amount", (), "sum needs a window"),
        ("count", None, (), "count needs a window"),
        ("seconds_since_last", None, (HOUR,), "seconds_since_last needs no window"),
        ("speed_kmh", None, (HOUR,), "speed_kmh needs no window"),
        ("sum", None, (HOUR,), "sum needs a field"),
        ("first_time_of", None, (HOUR,), "first_time_of needs a field"),
        ("fraud_rate", "amount", (HOUR,), "fraud_rate needs no field"),
        ("first_time", "amount", (HOUR,), "first_time needs no field"),
        ("burst", None, (HOUR,), "burst needs a baseline window"),
        ("sum", "amount", (HOUR, DAY), "sum needs no baseline window"),
        ("burst", None, (DAY, HOUR), "card_burst_1d_1h: the baseline must not be shorter than the window"),
        ("matured_fraud_rate", None, (WEEK, MONTH), "window and baseline need tiles of one width"),
        ("matured_fraud_rate", None, (WEEK, WEEK), "the baseline must be longer than the window, by the time that"),
    ],
)
def test_a_definition_that_cannot_be_computed_is_refused(aggregation, field, windows, message):
    with pytest.raises(ValueError, match=message):
        Feature("card", aggregation, field, *windows)


def test_the_baseline_may_be_as_long_as_the_window():
    assert Feature("card", "burst", None, HOUR, HOUR).name == "card_burst_1h_1h"


def fields_of(feature):
    return [feature.field_of(stored) for stored in feature.computation.stores]


def test_a_mean_shares_the_count_of_everything_but_for_an_extra():
    assert fields_of(Feature("card", "mean", "amount", HOUR)) == [None, "amount"]
    assert fields_of(Feature("card", "mean", "extra_tip", HOUR)) == ["extra_tip", "extra_tip"]
    assert fields_of(Feature("card", "share", "small", HOUR)) == ["small", None]
    assert fields_of(Feature("card", "fraud_rate", None, HOUR)) == [None, None]


def test_a_matured_rate_reads_its_window_its_baseline_and_what_lies_between_the_window_and_now():
    fortnight = Window(14 * DAY_MS, DAY_MS, "14d")
    rate = Feature("merchant", "matured_fraud_rate", None, WEEK, fortnight)
    assert rate.name == "merchant_matured_fraud_rate_7d_14d"
    assert [rate.window_of(stored) for stored in rate.computation.stores] == [WEEK, fortnight, WEEK]
    assert Feature("card", "count", None, HOUR).lag is None


def test_a_burst_reads_its_two_windows():
    burst = Feature("card", "burst", None, HOUR, WEEK)
    assert [burst.window_of(stored) for stored in burst.computation.stores] == [HOUR, WEEK]
    with pytest.raises(ValueError, match="card_seconds_since_last has no windows"):
        Feature("card", "seconds_since_last").window_of(burst.computation.stores[0])
