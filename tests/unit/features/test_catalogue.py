import dataclasses
import json

import pytest
from hypothesis import given, settings
from tests.parity import streams

from paywarden.errors import ConfigurationError, ContractMismatch
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue, Memory, Step, canonical
from paywarden.features.feature import Feature
from paywarden.features.request import CORE_REQUEST
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.features.windows import DAY, DAY_MS, HOUR, MONTH, QUARTER, WEEK

SUM = Feature("card", "sum", "amount", HOUR)
COUNT = Feature("merchant", "count", None, DAY)
FIRST = Feature("card_merchant", "first_time", None, QUARTER)
OF_ITSELF = Feature("card_card", "first_time", None, QUARTER)
NEWCOMER = Feature("merchant", "share", "newcomer", DAY)
BOTH = ("card", "merchant")
TWO = Catalogue(BOTH, (SUM, COUNT))
PAIR = Catalogue(BOTH, (SUM, COUNT, FIRST, NEWCOMER), pairs=(BOTH,))
FULL = full_catalogue(streams.SCHEMA)


def test_names_go_record_by_record_and_end_with_the_request():
    last = Feature("merchant_card", "seconds_since_last")
    shuffled = Catalogue(
        ("merchant", "card"), (last, SUM, COUNT, Feature("card", "count", None, HOUR)), pairs=(("merchant", "card"),)
    )
    assert shuffled.names == (
        *("merchant_count_1d", "merchant_card_seconds_since_last", "card_sum_amount_1h", "card_count_1h"),
        *CORE_REQUEST,
    )
    assert shuffled.of("card") == (SUM, Feature("card", "count", None, HOUR))
    assert set(shuffled.meanings) == set(shuffled.names)
    assert all(shuffled.meanings.values())


def test_the_request_is_in_the_order_in_which_it_was_asked_for():
    chosen = ("is_holiday", "extra_tip", "category_code", "amount")
    assert Catalogue(("card",), (SUM,), request=chosen).names == (SUM.name, *chosen)
    assert [feature.name for feature in Catalogue((), (), request=chosen).request_features] == list(chosen)


def test_a_pair_is_folded_where_its_first_entity_is():
    three = Catalogue(("card", "merchant", "device"), (), pairs=(("merchant", "device"), BOTH, ("card", "device")))
    assert three.steps == (
        Step("card", ("card", "card_merchant", "card_device")),
        Step("merchant", ("merchant", "merchant_device")),
        Step("device", ("device",)),
    )
    assert three.records == ("card", "card_merchant", "card_device", "merchant", "merchant_device", "device")
    assert set(three.tokens_of) == set(three.records)
    assert three.tokens_of["merchant"] == ("merchant",)
    assert three.tokens_of["card_device"] == ("card", "device")


def test_without_entities_there_is_one_step_without_records():
    nobody = Catalogue((), ())
    assert nobody.steps == (Step(None, ()),)
    assert (nobody.records, nobody.tokens_of, nobody.names) == ((), {}, CORE_REQUEST)


def test_inputs_are_what_features_and_request_read_and_no_more():
    assert TWO.inputs.entities == BOTH
    assert (TWO.inputs.codes, TWO.inputs.numbers) == ((), ())
    reading = Catalogue(
        BOTH,
        (
            Feature("card", "distinct_few", "category", DAY),
            Feature("card", "distinct_few", "merchant", DAY),
            Feature("card", "first_time_of", "hour", DAY),
            Feature("card", "count_of", "declined", DAY),
            Feature("merchant", "mean", "extra_tip", DAY),
        ),
        request=("amount", "country_code", "extra_colour_code", "extra_weight"),
    )
    assert reading.inputs.codes == ("category", "country", "extra_colour")
    assert reading.inputs.numbers == ("extra_tip", "extra_weight")
    travelling = Catalogue(("card",), (Feature("card", "speed_kmh"),))
    assert travelling.inputs.numbers == ("latitude", "longitude")


@pytest.mark.parametrize(
    ("entities", "features", "message"),
    [
        (BOTH, (SUM, COUNT, SUM), "declared twice: card_sum_amount_1h"),
        (("card",), (SUM, COUNT), "not declared: merchant_count_1d"),
        (("card",), (Feature("card", "distinct", "device", HOUR),), "not declared: card_distinct_device_1h"),
        (("card",), (Feature("card", "count_of", "tip", HOUR),), "not declared: card_count_tip_1h"),
        (BOTH, (FIRST,), "not declared: card_merchant_first_time_90d"),
        ((), (SUM,), "not declared: card_sum_amount_1h"),
    ],
)
def test_a_catalogue_that_cannot_be_computed_is_refused(entities, features, message):
    with pytest.raises(ValueError, match=message):
        Catalogue(entities, features)


def test_features_that_read_alike_are_one_too_many():
    alike = (Feature("card", "distinct", "merchant", DAY), Feature("card", "distinct_few", "merchant", DAY))
    with pytest.raises(ValueError, match="declared twice: card_distinct_merchant_1d"):
        Catalogue(BOTH, alike)


def test_a_request_feature_asked_for_twice_is_refused():
    with pytest.raises(ValueError, match="declared twice: amount"):
        Catalogue(("card",), (), request=("amount", "weekday", "amount"))


def test_a_pair_of_what_is_no_entity_is_refused():
    with pytest.raises(ValueError, match="not declared: card and device"):
        Catalogue(BOTH, (), pairs=(BOTH, ("card", "device")))


def test_a_newcomer_is_told_by_the_pair_of_the_routing_entity():
    assert PAIR.newcomer("merchant") == PAIR.names.index("card_merchant_first_time_90d")
    three = Catalogue(
        ("card", "merchant", "device"),
        (FIRST, Feature("card_device", "first_time", None, WEEK)),
        pairs=(BOTH, ("card", "device")),
    )
    assert three.newcomer("device") == three.names.index("card_device_first_time_7d")


@pytest.mark.parametrize(
    ("features", "pairs"),
    [
        ((NEWCOMER,), ()),
        ((NEWCOMER,), (BOTH,)),
        ((NEWCOMER, Feature("card_merchant", "count", None, QUARTER)), (BOTH,)),
        ((NEWCOMER, Feature("merchant_card", "first_time", None, QUARTER)), (("merchant", "card"),)),
        ((NEWCOMER, Feature("merchant", "first_time", None, QUARTER)), (BOTH,)),
        ((FIRST, Feature("card", "share", "newcomer", DAY)), (BOTH,)),
        ((FIRST, Feature("card_merchant", "share", "newcomer", DAY)), (BOTH,)),
        ((OF_ITSELF, Feature("card", "share", "newcomer", DAY)), (("card", "card"),)),
    ],
    ids=[
        *("no pair", "no feature", "a count", "the other way round", "of the entity"),
        *("of the routing", "of the pair", "of itself"),
    ],
)
def test_newcomers_that_nothing_tells_in_time_are_refused(features, pairs):
    with pytest.raises(ValueError, match=r"newcomers of \w+ need the pair \(card, \w+\) with a first_time feature"):
        Catalogue(BOTH, features, pairs=pairs)


def test_a_contract_holds_the_chosen_names_in_the_chosen_order():
    chosen = ("amount", "merchant_count_1d", "card_sum_amount_1h")
    contract = TWO.contract(chosen)
    assert contract.names == chosen
    assert TWO.columns(chosen) == [TWO.names.index(name) for name in chosen]
    assert TWO.contract().names == TWO.names
    assert TWO.contract(iter(chosen)) == contract
    assert TWO.contract(reversed(chosen)).digest != contract.digest
    assert TWO.contract(chosen[:2]).digest != contract.digest


def test_a_feature_that_is_missing_is_named_with_what_to_do():
    with pytest.raises(ContractMismatch) as mismatch:
        TWO.contract(("amount", "card_sum_amount_3h", "device_count_1h"))
    message = str(mismatch.value)
    assert "catalogue for card, merchant does not give card_sum_amount_3h, device_count_1h" in message
    assert "train a new one" in message
    with pytest.raises(ContractMismatch):
        TWO.columns(["nothing"])
    with pytest.raises(ContractMismatch, match="catalogue for no entity does not give card_sum_amount_1h"):
        Catalogue((), ()).columns([SUM.name])


@settings(max_examples=100, deadline=None)
@given(streams.catalogues())
def test_a_definition_goes_through_json_and_back(catalogue):
    written = catalogue.to_dict()
    read = Catalogue.from_dict(json.loads(json.dumps(written)))
    assert read == catalogue
    assert read.to_dict() == written
    assert read.contract() == catalogue.contract()
    assert canonical(read.to_dict()) == canonical(written)
    for field in ("entities", "pairs", "request", "memory", "calendar", "names", "inputs", "steps"):
        assert getattr(read, field) == getattr(catalogue, field)


@pytest.mark.parametrize("catalogue", [FULL, core_catalogue(), Catalogue((), ())], ids=["full", "core", "nobody"])
def test_ours_are_read_as_they_were_written(catalogue):
    assert Catalogue.from_dict(json.loads(canonical(catalogue.to_dict()))).contract() == catalogue.contract()


def test_a_definition_does_not_depend_on_the_order_between_records():
    other = Catalogue(BOTH, (NEWCOMER, FIRST, COUNT, SUM), pairs=(BOTH,))
    again = Catalogue(BOTH, (FIRST, SUM, NEWCOMER, COUNT), pairs=(BOTH,))
    assert other.to_dict() == again.to_dict()
    assert other.to_dict() != PAIR.to_dict(), "within a record the order is that of the vector"


def broken(**changes):
    return PAIR.to_dict() | changes


def feature(**changes):
    return {"features": [PAIR.to_dict()["features"][0] | changes]}


NONSENSE = {
    "nothing": {},
    "a list": [],
    "none": None,
    **{f"no {part}": {k: v for k, v in PAIR.to_dict().items() if k != part} for part in PAIR.to_dict()},
    "an undeclared entity": broken(**feature(entity="device")),
    "no such aggregation": broken(**feature(aggregation="median")),
    "a strange field": broken(**feature(field="colour")),
    "a feature without a window": broken(**feature(window=None)),
    "a window of no whole tiles": broken(**feature(window={"duration_ms": 10, "tile_ms": 3, "name": "x"})),
    "half a window": broken(**feature(window={"duration_ms": 10})),
    "a window that is a list": broken(**feature(window=[10, 5, "x"])),
    "a window with more": broken(**feature(window={"duration_ms": 10, "tile_ms": 5, "name": "x", "unit": "s"})),
    "a window of texts": broken(**feature(window={"duration_ms": "10", "tile_ms": "5", "name": "x"})),
    "a feature that is a name": broken(features=["card_count_1h"]),
    "features twice": broken(features=PAIR.to_dict()["features"] * 2),
    "a triple": broken(pairs=[["card", "merchant", "device"]]),
    "a pair of strangers": broken(pairs=[["card", "device"]]),
    "newcomers without a pair": broken(pairs=[]),
    "an unknown memory": broken(memory={"record_ttl_s": 5}),
    "a calendar of more": broken(calendar={"timezone": "UTC", "holidays": "ECB", "moon": "full"}),
    "no zone": broken(calendar={"timezone": "Mars", "holidays": "ECB"}),
    "request twice": broken(request=["amount", "amount"]),
}


@pytest.mark.parametrize("definition", NONSENSE.values(), ids=NONSENSE)
def test_what_was_not_written_by_a_catalogue_is_refused(definition):
    with pytest.raises((KeyError, TypeError, ValueError, ConfigurationError)):
        Catalogue.from_dict(definition)


UNCHECKED = {
    "an unknown request": broken(request=["amount", "hour"]),
    "a request that is a word": broken(request="amount"),
    "a memory of nothing": broken(memory=PAIR.to_dict()["memory"] | {"ids": 0}),
    "a memory of texts": broken(memory=PAIR.to_dict()["memory"] | {"record_ttl_ms": "90d"}),
}


@pytest.mark.parametrize("definition", UNCHECKED.values(), ids=UNCHECKED)
def test_what_cannot_be_folded_is_refused(definition):
    with pytest.raises((KeyError, TypeError, ValueError, ConfigurationError)):
        Catalogue.from_dict(definition)


def test_memory_defaults():
    memory = dataclasses.asdict(Memory())
    days = {name: value // DAY_MS for name, value in memory.items() if name.endswith("_ms")}
    assert days == {"record_ttl_ms": 90, "ids_ttl_ms": 7, "labelled_ttl_ms": 120}
    assert (memory["ids"], memory["labelled_ids"]) == (16, 8)


def test_a_catalogue_keeps_utc_and_the_holidays_of_the_euro_unless_told():
    assert TWO.calendar == Calendar("UTC", "ECB")
    assert Feature("card", "count", None, MONTH) not in TWO.features
