"""A contract's digest changes exactly when a value can: an equal one may serve the model, another one must not."""

from dataclasses import replace

import pytest

from paywarden.features.aggregations import ALL
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.feature import Feature
from paywarden.features.windows import DAY, DAY_MS, HOUR, HOUR_MS, MONTH, QUARTER, WEEK, Window

SUM = Feature("card", "sum", "amount", HOUR)
COUNT = Feature("merchant", "count", None, DAY)
BOTH = ("card", "merchant")
TWO = Catalogue(BOTH, (SUM, COUNT))
NAMES = (SUM.name, "amount")


def contract_of(catalogue, names=NAMES):
    return catalogue.contract(names).digest


def test_a_digest_is_stable():
    assert contract_of(TWO) == contract_of(Catalogue(BOTH, (SUM, COUNT)))
    assert len(contract_of(TWO)) == 64


@pytest.mark.parametrize(
    "catalogue",
    [
        Catalogue(("card",), (SUM,)),
        Catalogue(BOTH, (COUNT, SUM)),
        Catalogue(BOTH, (SUM, COUNT, Feature("card", "mean", "amount", WEEK))),
        Catalogue(BOTH, (SUM, Feature("card", "sum", "amount", Window(HOUR_MS // 2, HOUR.tile_ms, "30m")))),
        Catalogue(BOTH, (SUM, Feature("card", "count", None, Window(2 * HOUR_MS, HOUR.tile_ms, "2h")))),
        Catalogue(BOTH, (SUM, Feature("merchant", "sum", "amount", Window(2 * HOUR_MS, HOUR.tile_ms, "2h")))),
        Catalogue(BOTH, (SUM,), pairs=(BOTH,), request=("weekday", "is_holiday", "amount")),
        Catalogue(BOTH, (SUM,), calendar=Calendar("Europe/Paris", "FR")),
    ],
    ids=[
        *("fewer entities", "another order", "more features", "a shorter window", "another ring", "another record"),
        *("a pair and another request", "another calendar"),
    ],
)
def test_what_does_not_touch_the_chosen_features_keeps_the_contract(catalogue):
    assert contract_of(catalogue) == contract_of(TWO)


@pytest.mark.parametrize(
    "catalogue",
    [
        Catalogue(("card",), (Feature("card", "sum", "amount", Window(2 * HOUR_MS, HOUR.tile_ms, "1h")),)),
        Catalogue(("card",), (Feature("card", "sum", "amount", Window(HOUR_MS, HOUR_MS, "1h")),)),
        Catalogue(("card",), (SUM, Feature("card", "sum", "amount", Window(2 * HOUR_MS, HOUR.tile_ms, "2h")))),
        Catalogue(("card",), (SUM, Feature("card", "zscore", "amount", Window(9 * HOUR_MS, HOUR.tile_ms, "9h")))),
        Catalogue(("card",), (SUM,), Memory(record_ttl_ms=89 * DAY_MS)),
    ],
    ids=["longer window", "coarser tiles", "a longer ring", "a longer ring of another aggregation", "shorter memory"],
)
def test_the_same_names_with_another_meaning_are_another_contract(catalogue):
    assert catalogue.names[0] == SUM.name
    assert contract_of(catalogue) != contract_of(TWO)


def test_alike_names_of_different_aggregations_are_different_contracts():
    few, many = (Catalogue(BOTH, (Feature("card", name, "merchant", DAY),)) for name in ("distinct_few", "distinct"))
    assert few.names == many.names
    assert few.contract().digest != many.contract().digest


def test_a_baseline_counts():
    long = Window(30 * DAY_MS, DAY_MS, "7d")
    bursts = [Catalogue(("card",), (Feature("card", "burst", None, HOUR, window),)) for window in (WEEK, long)]
    assert bursts[0].names == bursts[1].names
    assert bursts[0].contract().digest != bursts[1].contract().digest


def test_a_feature_without_a_window_changes_with_memory_alone():
    since = Catalogue(("card",), (Feature("card", "seconds_since_last"),))
    name = (since.names[0],)
    assert contract_of(replace(since, features=(*since.features, SUM)), name) == contract_of(since, name)
    assert contract_of(replace(since, memory=Memory(record_ttl_ms=1)), name) != contract_of(since, name)


TIMED = Catalogue(
    BOTH,
    (SUM, Feature("card", "first_time_of", "hour", QUARTER), Feature("card", "distinct_few", "hour", DAY)),
    request=(
        *("amount", "hour_sin", "hour_cos", "weekday", "is_night", "is_weekend", "is_holiday"),
        *("category_code", "extra_colour_code", "extra_tip"),
    ),
)
OF_TIME = {
    *("card_first_time_hour_90d", "card_distinct_hour_1d"),
    *("hour_sin", "hour_cos", "weekday", "is_night", "is_weekend", "is_holiday"),
}


def changed(catalogue, other):
    return {name for name in catalogue.names if contract_of(catalogue, [name]) != contract_of(other, [name])}


def test_another_time_zone_changes_what_is_told_by_the_clock():
    assert changed(TIMED, replace(TIMED, calendar=Calendar("Europe/Paris"))) >= OF_TIME
    assert "is_holiday" in changed(TIMED, replace(TIMED, calendar=Calendar(holidays="FR")))


def test_another_time_zone_changes_nothing_else():
    assert changed(TIMED, replace(TIMED, calendar=Calendar("Europe/Paris"))) == OF_TIME


def test_other_holidays_change_holidays_alone():
    assert changed(TIMED, replace(TIMED, calendar=Calendar(holidays="FR"))) == {"is_holiday"}


def with_newcomers(*features, told_by=QUARTER):
    pair = Feature("card_merchant", "first_time", None, told_by)
    return Catalogue(BOTH, (pair, *features, Feature("merchant", "share", "newcomer", DAY)), pairs=(BOTH,))


def test_a_newcomer_means_what_its_pair_remembers():
    name = ["merchant_share_newcomer_1d"]
    assert contract_of(with_newcomers(told_by=MONTH), name) != contract_of(with_newcomers(), name)


def test_an_anomaly_means_what_its_record_remembers():
    anomalies = Catalogue(("card",), (Feature("card", "count_of", "anomaly", DAY),))
    name = [anomalies.names[0]]
    longer = Feature("card", "sum", "amount", Window(20 * MONTH.tile_ms, MONTH.tile_ms, "60d"))
    beside = replace(anomalies, features=(*anomalies.features, longer))
    assert contract_of(beside, name) != contract_of(anomalies, name)


def test_a_changed_formula_is_another_contract(monkeypatch):
    """Of the features that use it alone."""
    before = {name: contract_of(TWO, (name,)) for name in TWO.names}
    monkeypatch.setitem(ALL, "sum", replace(ALL["sum"], version=2))
    after = {name: contract_of(Catalogue(BOTH, (SUM, COUNT)), (name,)) for name in TWO.names}
    assert {name for name in before if before[name] != after[name]} == {SUM.name}
