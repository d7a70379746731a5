"""What alerts say: words for every feature, values in their units, one code a story."""

import math

import pytest

from paywarden.events.schema import EventSchema
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.scoring.wording import reason_book, without_rates

RICH = EventSchema(("card", "merchant", "device"), ("tip",), ("browser_family",), aggregated=("tip",))
CATALOGUE = full_catalogue(RICH)
TEMPLATES = reason_book(CATALOGUE).templates


@pytest.mark.parametrize("catalogue", [CATALOGUE, core_catalogue(("account", "device", "card"))])
@pytest.mark.parametrize("value", [0.0, 1.0, 1.5, 123_456.0, math.nan])
def test_every_feature_is_told_in_words(catalogue, value):
    book = reason_book(catalogue)
    assert tuple(book.templates) == catalogue.names
    for template in book.templates.values():
        said = template.say(value)
        assert said
        assert not set("{}_") & set(said), said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("amount", 123_456, "the amount: 1,234.56"),
        ("card_sum_amount_1h", 5_000, "payments of the card in 1h add up to 50.00"),
        ("card_count_1h", 12, "12 payments of the card in 1h"),
        ("merchant_fraud_rate_7d", 0.125, "12.5 % of the payments of the merchant in 7d reported as fraud (smoothed)"),
        ("card_zscore_amount_30d", 2.34, "2.3 standard deviations from the usual amount of the card"),
        ("card_zscore_amount_30d", math.nan, "no history of amounts of the card to compare with"),
        ("card_ratio_to_mean_amount_30d", 2.34, "2.3 times the usual amount of the card"),
        ("card_seconds_since_last", 1_757, "29 min since the last payment of the card"),
        ("card_seconds_since_last", math.nan, "the first known payment of the card"),
        ("card_seconds_since_fraud", 400_000, "fraud was reported of the card 5 days ago"),
        ("card_merchant_count_90d", 0, "first payment of the card with this merchant"),
        ("card_merchant_count_90d", 3, "3 earlier payments of the card with this merchant"),
        ("card_merchant_first_time_90d", 1, "first payment of the card with this merchant"),
        ("card_merchant_seconds_since_last", math.nan, "first payment of the card with this merchant"),
        ("card_first_time_country_90d", 1, "a new country for the card"),
        ("card_first_time_country_90d", 0, "the card had this country before"),
        ("card_distinct_country_1d", 4.2, "4 distinct countries of the card in 1d"),
        ("card_count_anomaly_1d", 2, "2 payments far above its usual amount of the card in 1d"),
        ("card_speed_kmh", 1_911.4, "the card would have had to travel at 1,911 km/h"),
        ("card_peak_amount_7d_30d", 6.66, "the largest amount of the card in 7d was 6.7 times its usual one"),
        (
            "merchant_matured_fraud_rate_3d_10d",
            0.5,
            "50 % of the latest payments of the merchant old enough to be judged were fraud (3d)",
        ),
        ("merchant_matured_fraud_rate_1d_8d", math.nan, "no payment of the merchant old enough to be judged"),
        ("merchant_burst_1h_7d", 6.66, "6.7 times the usual number of payments of the merchant in 1h"),
        ("merchant_share_small_1h", 0.9, "90 % of the payments of the merchant in 1h were for small amounts"),
        ("merchant_share_newcomer_1d", 0.5, "50 % of the payments of the merchant in 1d were first payments there"),
        ("category_code", 0.021, "fraud rate of the category so far: 2.1 %"),
        ("extra_browser_family_code", math.nan, "the transaction bears no browser family"),
        ("is_night", 1, "in the night"),
        ("is_night", 0, "not in the night"),
    ],
)
def test_values_are_in_their_units(name, value, said):
    assert TEMPLATES[name].say(value) == said


def test_features_of_one_story_share_a_code():
    codes = {name: template.code for name, template in TEMPLATES.items()}
    assert codes["card_count_5m"] == codes["card_count_1d"] == "CARD_VELOCITY" != codes["merchant_count_5m"]
    assert len({codes[name] for name in CATALOGUE.names if name.startswith("card_merchant_")}) == 1
    assert codes["hour_sin"] == codes["is_night"] == "TIME"
    assert codes["card_fraud_rate_7d"] == codes["card_fraud_run_seconds"] != codes["card_count_7d"]


def test_a_category_whose_rate_no_one_knows_is_told_without():
    told, before = without_rates(reason_book(CATALOGUE)).templates, TEMPLATES
    assert told["category_code"].say(3.0) == "this category"
    assert told["extra_browser_family_code"].say(math.nan) == "no browser family, or a rare one"
    assert told["amount"] == before["amount"]
