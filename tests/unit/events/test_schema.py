import pyarrow as pa
import pytest

from paywarden.errors import ConfigurationError
from paywarden.events.schema import OPTIONAL_FIELDS, EventSchema


def test_the_first_entity_routes_and_columns_follow_the_declaration():
    schema = EventSchema(("account", "device"), ("age",), ("tier",))
    assert schema.routing_entity == "account"
    assert schema.entity_columns == ("entity_account", "entity_device")
    assert schema.extra_columns == ("extra_age", "extra_tier")
    transactions = schema.transaction_schema()
    assert transactions.names[:7] == [
        "transaction_id",
        "occurred_at",
        "received_at",
        "routing_key",
        "entity_account",
        "entity_device",
        "amount",
    ]
    assert transactions.field("extra_age").type == pa.float64()
    assert transactions.field("extra_tier").type == pa.string()
    assert "entity_device" in schema.label_schema().names


def test_lists_are_welcome_and_the_schema_stays_hashable():
    assert hash(EventSchema(["card"])) == hash(EventSchema(("card",)))


@pytest.mark.parametrize("name", ["", "Card", "1card", "card-id", "card id", "kärte", "x" * 41, None, 7])
def test_a_bad_name_is_refused(name):
    with pytest.raises(ConfigurationError, match="lowercase letters"):
        EventSchema((name,))


@pytest.mark.parametrize(
    "declaration",
    [
        {"entities": ("card", "card")},
        {"extra_numbers": ("age", "age")},
        {"extra_numbers": ("age",), "extra_categories": ("age",)},
        {"optional": ("country", "country")},
        {"extra_numbers": ("age",), "aggregated": ("age", "age")},
    ],
)
def test_a_name_declared_twice_is_refused(declaration):
    with pytest.raises(ConfigurationError, match="twice"):
        EventSchema(**declaration)


def test_entities_must_be_a_list():
    with pytest.raises(ConfigurationError, match="entities"):
        EventSchema("card")


def test_without_entities_none_routes():
    schema = EventSchema(())
    assert schema.routing_entity is None
    assert schema.entity_columns == ()


def test_optional_fields_are_all_there_unless_told():
    assert EventSchema().optional == OPTIONAL_FIELDS
    assert EventSchema(optional=["location", "country"]) == EventSchema(optional=("country", "location"))
    assert EventSchema(optional=()).transaction_schema() == EventSchema().transaction_schema()


def test_aggregated_extras_keep_the_order_of_the_numbers():
    assert EventSchema(extra_numbers=("age", "tip"), aggregated=("tip", "age")).aggregated == ("age", "tip")


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"optional": ("latitude",)}, "optional: there is no 'latitude'; known: auth_result, .*, location"),
        ({"extra_numbers": ("age",), "aggregated": ("tip",)}, "aggregated: there is no 'tip'; known: age"),
        ({"aggregated": ("tip",)}, "aggregated: there is no 'tip'; no extra_numbers are declared"),
    ],
)
def test_what_is_chosen_must_exist(declaration, message):
    with pytest.raises(ConfigurationError, match=message):
        EventSchema(**declaration)
