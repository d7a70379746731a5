import dataclasses

import pytest

from paywarden.errors import ContractMismatch
from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.feature import Feature
from paywarden.features.request import REQUEST_FEATURES
from paywarden.features.templates import core_catalogue
from paywarden.features.windows import DAY, DAY_MS, HOUR, HOUR_MS, WEEK, Window

CORE = core_catalogue()
REQUEST = tuple(feature.name for feature in REQUEST_FEATURES)
SUM = Feature("card", "sum", "amount", HOUR)
COUNT = Feature("merchant", "count", None, DAY)
PAIR = Catalogue(("card", "merchant"), (SUM, COUNT))


def test_names_go_entity_by_entity_and_end_with_the_request():
    shuffled = Catalogue(("merchant", "card"), (SUM, COUNT, Feature("card", "count", None, HOUR)))
    assert shuffled.names == ("merchant_count_1d", "card_sum_amount_1h", "card_count_1h", *REQUEST)
    assert shuffled.of("card") == (SUM, Feature("card", "count", None, HOUR))
    assert set(shuffled.meanings) == set(shuffled.names)


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


def test_any_other_entity_gets_what_a_merchant_gets():
    catalogue = core_catalogue(("card", "merchant", "device"))
    names = [[feature.name for feature in catalogue.of(entity)] for entity in ("merchant", "device")]
    assert [name.removeprefix("merchant") for name in names[0]] == [name.removeprefix("device") for name in names[1]]


def test_without_cards_nothing_counts_them():
    assert not any("distinct" in name for name in core_catalogue(("account",)).names)


@pytest.mark.parametrize(
    ("entities", "features", "message"),
    [
        (("card", "merchant"), (SUM, COUNT, SUM), "declared twice: card_sum_amount_1h"),
        (("card",), (SUM, COUNT), "not declared: merchant_count_1d"),
        (("card",), (Feature("card", "distinct", "device", HOUR),), "not declared: card_distinct_device_1h"),
    ],
)
def test_a_catalogue_that_cannot_be_computed_is_refused(entities, features, message):
    with pytest.raises(ValueError, match=message):
        Catalogue(entities, features)


def test_a_contract_holds_the_chosen_names_in_the_chosen_order():
    chosen = ("amount", "merchant_count_1d", "card_sum_amount_1h")
    contract = PAIR.contract(chosen)
    assert contract.names == chosen
    assert PAIR.columns(chosen) == [PAIR.names.index(name) for name in chosen]
    assert PAIR.contract().names == PAIR.names
    assert PAIR.contract(iter(chosen)) == contract
    assert PAIR.contract(reversed(chosen)).digest != contract.digest
    assert PAIR.contract(chosen[:2]).digest != contract.digest


def test_a_feature_that_is_missing_is_named_with_what_to_do():
    with pytest.raises(ContractMismatch) as mismatch:
        PAIR.contract(("amount", "card_sum_amount_3h", "device_count_1h"))
    message = str(mismatch.value)
    assert "catalogue for card, merchant does not give card_sum_amount_3h, device_count_1h" in message
    assert "train a new one" in message
    with pytest.raises(ContractMismatch):
        PAIR.columns(["nothing"])


def contract_of(catalogue, names=("card_sum_amount_1h", "amount")):
    return catalogue.contract(names).digest


def test_a_contract_digest_is_stable():
    assert contract_of(PAIR) == contract_of(Catalogue(("card", "merchant"), (SUM, COUNT)))
    assert len(contract_of(PAIR)) == 64


@pytest.mark.parametrize(
    "catalogue",
    [
        Catalogue(("card",), (SUM,)),
        Catalogue(("card", "merchant"), (COUNT, SUM)),
        Catalogue(("card", "merchant"), (SUM, COUNT, Feature("card", "mean", "amount", WEEK))),
    ],
    ids=["fewer entities", "another order", "more features"],
)
def test_what_does_not_touch_the_chosen_features_keeps_the_contract(catalogue):
    assert contract_of(catalogue) == contract_of(PAIR)


@pytest.mark.parametrize(
    "catalogue",
    [
        Catalogue(("card",), (Feature("card", "sum", "amount", Window(2 * HOUR_MS, HOUR.tile_ms, "1h")),)),
        Catalogue(("card",), (Feature("card", "sum", "amount", Window(HOUR_MS, HOUR_MS, "1h")),)),
        Catalogue(("card",), (SUM,), Memory(record_ttl_ms=89 * DAY_MS)),
    ],
    ids=["longer window", "coarser tiles", "shorter memory"],
)
def test_the_same_names_with_another_meaning_are_another_contract(catalogue):
    assert catalogue.names[0] == SUM.name
    assert contract_of(catalogue) != contract_of(PAIR)


def test_memory_defaults():
    memory = dataclasses.asdict(Memory())
    days = {name: value // DAY_MS for name, value in memory.items() if name.endswith("_ms")}
    assert days == {"record_ttl_ms": 90, "ids_ttl_ms": 7, "labelled_ttl_ms": 120}
    assert (memory["ids"], memory["labelled_ids"]) == (16, 8)
