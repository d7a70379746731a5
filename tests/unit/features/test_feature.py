import pytest

from paywarden.features.aggregations import ALL
from paywarden.features.feature import Feature
from paywarden.features.windows import HOUR, MONTH


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
    ],
)
def test_name_and_meaning_follow_from_the_definition(feature, name, meaning):
    assert (feature.name, feature.meaning) == (name, meaning)
    assert feature.computation is ALL[feature.aggregation]


@pytest.mark.parametrize(
    ("aggregation", "field", "window", "message"),
    [
        ("median", "amount", HOUR, "no aggregation 'median'; there are count, "),
        ("sum", "amount", None, "sum needs a window"),
        ("count", None, None, "count needs a window"),
        ("seconds_since_last", None, HOUR, "seconds_since_last needs no window"),
        ("sum", None, HOUR, "sum needs a field"),
        ("fraud_rate", "amount", HOUR, "fraud_rate needs no field"),
    ],
)
def test_a_definition_that_cannot_be_computed_is_refused(aggregation, field, window, message):
    with pytest.raises(ValueError, match=message):
        Feature("card", aggregation, field, window)
