import pytest

from paywarden.errors import ConfigurationError
from paywarden.events.schema import EventSchema
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue
from paywarden.features.catalogue_file import find_catalogue, lacking
from paywarden.features.engine import Engine
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.features.windows import HOUR_MS, MINUTE_MS, Window

SCHEMA = EventSchema(extra_numbers=("age",), extra_categories=("segment",), aggregated=("age",))
PARIS = Calendar("Europe/Paris", "FR")


@pytest.fixture
def read(tmp_path):
    def read(text, schema=SCHEMA):
        path = tmp_path / "features.yaml"
        path.write_text(text)
        return find_catalogue(str(path), schema, PARIS)

    return read


def test_names_stand_for_what_the_data_allow():
    assert find_catalogue("full", SCHEMA, PARIS) == full_catalogue(SCHEMA, PARIS)
    core = find_catalogue("core", SCHEMA, PARIS)
    assert core.features == core_catalogue().features
    assert core.calendar == PARIS


def test_a_file_adds_a_windowed_feature_after_its_entitys_own(read):
    found = read("base: core\nadd: [{entity: card, aggregation: sum, field: amount, window: 2h, tile: 10m}]")
    base = find_catalogue("core", SCHEMA, PARIS)
    assert set(found.names) - set(base.names) == {"card_sum_amount_2h"}
    place = found.names.index("card_sum_amount_2h")
    assert found.names[place - 1] == base.of("card")[-1].name
    assert found.of("card")[-1].window == Window(2 * HOUR_MS, 10 * MINUTE_MS, "2h")
    assert Engine(found).digest != Engine(base).digest
    assert Catalogue.from_dict(found.to_dict()) == found


def test_a_file_removes_features_of_records_and_of_the_request(read):
    found = read("base: full\nremove: [card_count_1h, is_holiday]")
    base = find_catalogue("full", SCHEMA, PARIS)
    assert set(base.names) - set(found.names) == {"card_count_1h", "is_holiday"}


def test_the_base_is_the_full_catalogue(read):
    assert read("remove: [card_count_1h]").names == read("base: full\nremove: [card_count_1h]").names


def test_a_window_that_the_base_has_needs_no_tile(read):
    found = read("base: core\nadd: [{entity: card, aggregation: std, field: amount, window: 24h}]")
    (added,) = [feature for feature in found.features if feature.aggregation == "std"]
    assert added.name == "card_std_amount_1d"
    assert (added.window.name, added.window.tile_ms) == ("1d", 3 * HOUR_MS)


def test_a_burst_has_two_windows(read):
    found = read("base: core\nadd: [{entity: merchant, aggregation: burst, window: 1h, baseline: 7d}]")
    assert "merchant_burst_1h_7d" in found.names


def test_an_extra_is_named_as_it_is_declared(read):
    text = "base: core\nadd: [{entity: card, aggregation: max, field: %s, window: 7d}]"
    assert read(text % "age").names == read(text % "extra_age").names
    assert "card_max_extra_age_7d" in read(text % "age").names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: fll", "Did you mean 'full'"),
        ("bse: full", "Did you mean 'base'"),
        ("[]", "expected a block of keys"),
        ("a: [", "cannot be read as YAML"),
        ("remove: card_count_1h", "write a list of feature names"),
        ("remove: [card_count_1hour]", "Did you mean 'card_count_1h'"),
        ("add: {entity: card}", "write a list of features"),
        ("add: [{entity: crd, aggregation: count, window: 1h}]", r"add\[1\]: 'entity' is 'crd'. Did you mean 'card'"),
        ("add: [{entity: card, aggregation: cnt, window: 1h}]", r"add\[1\]: feature .*no aggregation 'cnt'"),
        ("add: [{entity: card, aggregation: count, window: 2h}]", "say how finely it is kept: tile"),
        ("add: [{entity: card, aggregation: count, window: 2h, tile: 7m}]", "not a whole number"),
        ("add: [{entity: card, aggregation: count, window: soon}]", "write a duration"),
        ("add: [{entity: card, aggregation: count, tile: 7m}]", "'tile' needs 'window'"),
        ("add: [{entity: card, aggregation: count, window: 1h}]", "declared twice: card_count_1h"),
        ("add: [{entity: card, aggregation: count, field: amount, window: 1h}]", "needs no field"),
        ("add: [{entity: card, aggregation: max, field: extra_height, window: 7d}]", "the data have no extra_height"),
        ("remove: [card_merchant_first_time_90d]", "newcomers of merchant need"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_remedy(read, text, said):
    with pytest.raises(ConfigurationError, match=f"features.yaml.*{said}"):
        read(text)


def test_a_file_that_is_not_there_may_have_been_meant_as_a_name():
    with pytest.raises(ConfigurationError, match=r"no catalogue 'ful'. Did you mean 'full'.*path of a YAML file"):
        find_catalogue("ful", SCHEMA, PARIS)


def test_a_catalogue_is_held_against_what_the_data_have():
    full = full_catalogue(SCHEMA, PARIS)
    assert lacking(full, SCHEMA) == []
    poor = EventSchema(("card",), optional=("category",))
    assert set(lacking(full, poor)) == {
        "merchant", "channel", "country", "latitude", "longitude", "extra_age", "extra_segment",
    }  # fmt: skip
    assert lacking(core_catalogue(), EventSchema(("merchant", "card"))) == ["card as the routing entity"]
    assert lacking(core_catalogue(()), EventSchema(("account",))) == []
