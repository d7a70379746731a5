import pyarrow as pa
import pytest

from paywarden.errors import ConfigurationError
from paywarden.events.schema import EventSchema


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
    ],
)
def test_a_name_declared_twice_is_refused(declaration):
    with pytest.raises(ConfigurationError, match="twice"):
        EventSchema(**declaration)


@pytest.mark.parametrize("entities", [(), "card"])
def test_entities_must_be_a_list_with_a_name(entities):
    with pytest.raises(ConfigurationError, match="entities"):
        EventSchema(entities)
