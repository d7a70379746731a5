"""Which features data get: all that their fields allow, and none that would always be absent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity import streams

from paywarden.errors import ConfigurationError
from paywarden.events.schema import OPTIONAL_FIELDS, EventSchema
from paywarden.features.calendar import Calendar
from paywarden.features.duplicates import routing_words
from paywarden.features.engine import Engine
from paywarden.features.layout import record_layout
from paywarden.features.replay import replay
from paywarden.features.request import CORE_REQUEST
from paywarden.features.templates import core_catalogue, full_catalogue

CORE = core_catalogue()
FULL = full_catalogue(EventSchema())
BUDGET = 2_048


def names(**schema):
    return set(full_catalogue(EventSchema(**schema)).names)


def without(field):
    return set(FULL.names) - names(optional=tuple(name for name in OPTIONAL_FIELDS if name != field))


def test_the_core_catalogue():
    assert len(CORE.names) == len(set(CORE.names))
    assert {
        "card_count_5m",
        "card_sum_amount_1d",
        "card_zscore_amount_30d",
        "card_fraud_rate_7d",
        "merchant_fraud_rate_1d",
        "merchant_distinct_card_7d",
        "merchant_seconds_since_last",
    } <= set(CORE.names)
    assert not any("distinct" in feature.name for feature in CORE.of("card"))
    assert all(CORE.meanings[name] for name in CORE.names)
    assert (CORE.inputs.codes, CORE.inputs.numbers, CORE.pairs) == ((), (), ())


def test_any_other_entity_of_the_core_gets_what_a_merchant_gets():
    catalogue = core_catalogue(("card", "merchant", "device"))
    found = [[feature.name for feature in catalogue.of(entity)] for entity in ("merchant", "device")]
    assert [name.removeprefix("merchant") for name in found[0]] == [name.removeprefix("device") for name in found[1]]


def test_without_cards_nothing_counts_them():
    assert not any("distinct" in name for name in core_catalogue(("account",)).names)


def test_the_core_is_part_of_the_full_catalogue():
    assert {name for name in CORE.names if "distinct" not in name} <= set(FULL.names)
    assert {name for name in CORE.names if "distinct" in name} <= set(FULL.names)


def test_the_full_catalogue_has_a_feature_for_every_way_of_fraud():
    assert {
        *("card_count_6h", "card_std_amount_7d", "card_distinct_country_7d", "card_distinct_merchant_1h"),
        *("card_first_time_category_90d", "card_first_time_country_90d", "card_first_time_hour_90d"),
        *("card_speed_kmh", "card_count_declined_1d", "card_refund_count_30d", "card_count_anomaly_7d"),
        *("card_seconds_since_fraud", "card_fraud_run_seconds", "card_burst_1h_7d", "merchant_burst_1d_30d"),
        *("merchant_share_small_1h", "merchant_share_round_1d", "merchant_share_newcomer_1d"),
        *("merchant_distinct_card_7d", "merchant_fraud_rate_30d"),
        *("card_merchant_count_90d", "card_merchant_first_time_90d", "card_merchant_seconds_since_last"),
        *("card_merchant_ratio_to_mean_amount_90d",),
        *("amount", "is_weekend", "is_holiday", "category_code", "channel_code", "country_code"),
    } <= set(FULL.names)
    assert 100 <= len(FULL.names) <= 150
    assert all(FULL.meanings[name] for name in FULL.names)


@pytest.mark.parametrize(
    ("field", "lost"),
    [
        ("auth_result", {f"{e}_count_declined_{w}" for e in ("card", "merchant") for w in ("1h", "1d", "7d")}),
        ("transaction_type", {"card_refund_count_30d", "merchant_refund_count_30d"}),
        (
            "category",
            {"category_code", "card_distinct_category_1d", "card_distinct_category_7d", "card_first_time_category_90d"},
        ),
        ("channel", {"channel_code"}),
        (
            "country",
            {"country_code", "card_distinct_country_1d", "card_distinct_country_7d", "card_first_time_country_90d"},
        ),
        ("location", {"card_speed_kmh"}),
    ],
)
def test_a_field_that_data_lack_takes_its_features_with_it(field, lost):
    assert without(field) == lost


def test_data_without_any_optional_field_read_none():
    bare = full_catalogue(EventSchema(optional=()))
    assert set(FULL.names) - set(bare.names) == set.union(*map(without, OPTIONAL_FIELDS))
    assert (bare.inputs.codes, bare.inputs.numbers) == ((), ())


def test_one_entity_alone_has_no_pair_and_nobody_to_count():
    alone = full_catalogue(EventSchema(("account",)))
    assert (alone.entities, alone.records, alone.pairs) == (("account",), ("account",), ())
    as_card = {name.replace("account", "card") for name in alone.names}
    lost = {f.name for f in FULL.features if f.entity == "card"} - as_card
    assert lost == {f"card_distinct_merchant_{window}" for window in ("1h", "1d", "7d")}
    assert not any("newcomer" in name or "share" in name for name in alone.names)


def test_a_further_entity_gets_what_a_merchant_gets_but_newcomers():
    three = full_catalogue(EventSchema(("card", "merchant", "device")))
    assert three.records == ("card", "card_merchant", "merchant", "device")
    merchant, device = ({f.name.removeprefix(e) for f in three.of(e)} for e in ("merchant", "device"))
    assert merchant - device == {f"_share_newcomer_{window}" for window in ("1h", "1d", "7d")}
    assert device <= merchant
    assert set(three.names) - set(FULL.names) - {f.name for f in three.of("device")} == {
        *("card_distinct_device_1d", "card_distinct_device_7d", "card_first_time_device_90d"),
    }


@pytest.mark.parametrize("entities", [("account", "payee"), ("payer", "payee"), ("iban", "merchant")])
def test_entities_of_other_names_get_what_cards_and_merchants_get(entities):
    first, second = entities
    renamed = [name.replace("merchant", "~").replace("card", first).replace("~", second) for name in FULL.names]
    assert set(full_catalogue(EventSchema(entities)).names) == set(renamed)


def test_without_entities_there_are_request_features_alone():
    nobody = full_catalogue(EventSchema(()))
    assert nobody.names == (*CORE_REQUEST, "is_weekend", "is_holiday", "category_code", "channel_code", "country_code")
    assert nobody.records == ()
    bare = full_catalogue(EventSchema((), optional=(), extra_numbers=("tip",), aggregated=("tip",)))
    assert bare.names == (*CORE_REQUEST, "is_weekend", "is_holiday", "extra_tip")


def test_extras_are_request_features_and_aggregated_ones_are_entities_features():
    extra = names(extra_numbers=("tip", "weight"), extra_categories=("colour",), aggregated=("tip",)) - set(FULL.names)
    of_entities = {
        f"{e}_{name}"
        for e in ("card", "merchant")
        for name in ("mean_extra_tip_1d", "mean_extra_tip_30d", "zscore_extra_tip_30d")
    }
    assert extra == {"extra_tip", "extra_weight", "extra_colour_code", *of_entities}
    assert names(extra_numbers=("tip",)) - set(FULL.names) == {"extra_tip"}


def test_the_calendar_is_the_one_given():
    assert full_catalogue(EventSchema(), Calendar("Europe/Paris", "FR")).calendar == Calendar("Europe/Paris", "FR")
    assert FULL.calendar == Calendar()


schemas = st.builds(
    EventSchema,
    st.sampled_from([(), ("card",), ("card", "merchant"), ("account", "payee", "device"), ("a", "b", "c", "d")]),
    st.sampled_from([(), ("tip",), ("tip", "weight")]),
    st.sampled_from([(), ("colour",), ("colour", "size")]),
    st.sets(st.sampled_from(OPTIONAL_FIELDS)).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(schemas)
def test_any_schema_has_a_catalogue_that_reads_what_it_has(schema):
    catalogue = full_catalogue(schema)
    assert len(set(catalogue.names)) == len(catalogue.names)
    columns = set(schema.transaction_schema().names)
    assert {*catalogue.inputs.codes, *catalogue.inputs.numbers} <= columns
    located = "latitude" in catalogue.inputs.numbers
    assert located == ("location" in schema.optional and bool(schema.entities))
    assert set(catalogue.inputs.codes) & set(OPTIONAL_FIELDS) <= set(schema.optional)
    assert Engine(catalogue).width == len(catalogue.names)


@pytest.mark.parametrize("categories", [(), ("colour",)])
def test_a_number_is_not_called_like_a_code(categories):
    with pytest.raises(ConfigurationError, match="colour_code"):
        EventSchema(extra_numbers=("colour_code",), extra_categories=categories)


@pytest.mark.parametrize("name", ["amount", "declined", "small", "round", "anomaly"])
def test_an_entity_is_not_called_like_a_field(name):
    with pytest.raises((ConfigurationError, ValueError), match=name):
        full_catalogue(EventSchema(("card", "merchant", name)))


@pytest.mark.parametrize("name", ["category", "country", "hour", "newcomer", "card_merchant"])
def test_an_entity_that_makes_a_name_ambiguous_is_refused(name):
    with pytest.raises((ConfigurationError, ValueError), match=name):
        full_catalogue(EventSchema(("card", "merchant", name)))


def test_a_record_of_a_card_takes_at_most_two_kilobytes():
    assert record_layout(FULL, "card").bytes + 8 * routing_words(FULL.memory) <= BUDGET
    assert record_layout(CORE, "card").bytes <= BUDGET
    assert record_layout(full_catalogue(streams.SCHEMA), "card").bytes <= BUDGET
    four = full_catalogue(EventSchema(("card", "merchant", "device", "ip")))
    assert record_layout(four, "card").bytes <= BUDGET


def test_a_pair_is_small_for_there_are_many():
    assert record_layout(FULL, "card_merchant").bytes <= 64


def test_every_feature_of_the_full_catalogue_is_seen_in_a_long_stream():
    stream = streams.random_stream(4, transactions=200)
    features = replay(stream.transactions, stream.labels, FULL).features
    constant = [name for name, column in zip(FULL.names, features.T, strict=True) if len(np.unique(column)) < 2]
    assert constant == []
