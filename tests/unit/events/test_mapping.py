import re
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from paywarden.errors import MappingError
from paywarden.events.mapping import Mapping
from paywarden.events.schema import AUTH_RESULTS, CHANNELS, TRANSACTION_TYPES, EventSchema
from paywarden.events.sources import AmountSource, EntitySource, IdSource, LabelSource, Source, TimeSource
from paywarden.events.time_readers import TIME_FORMATS

FULL = """
description: everything that can be said
entities:
  account: ACCOUNT
  card: {column: PAN, tokenise: true}
transaction_id: {column: ID}
occurred_at: {column: WHEN, format: epoch_seconds, timezone: Europe/Paris}
received_delay: 2s
amount: {column: CENTS, unit: minor}
currency: CUR
category: {value: 5411}
channel: {column: HOW, names: {true: in_person, Web: online, unknown: null}}
latitude: {value: 48.5}
longitude: LON
extra_numbers: {age: AGE, tip: {column: TIP, aggregate: true}, far: {distance_km: [A, B, C, D]}}
extra_categories: {tier: {value: gold}}
label:
  column: FRAUD
  source: analyst
  delay: 36h
  fraud_values: [Yes, 1]
  legitimate_values: no
  legitimate_labels: true
  pattern: {column: WHY, names: {1: stolen, B: bust_out}}
"""
DOCUMENTATION = (Path(__file__).parents[3] / "docs" / "mappings.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCUMENTATION, flags=re.DOTALL)
DAY = datetime(2013, 9, 1)  # noqa: DTZ001 - naive is meant: of the mapping's zone
MINIMAL = {
    "entities": "{card: C}",
    "transaction_id": "ID",
    "occurred_at": "T",
    "amount": "{column: A, unit: major}",
    "currency": "{value: EUR}",
}


def written(**changes):
    return "\n".join(f"{key}: {value}" for key, value in (MINIMAL | changes).items() if value is not None)


def test_every_key_is_read():
    mapping = Mapping.parse(FULL, "full")
    assert mapping == Mapping(
        name="full",
        schema=EventSchema(
            ("account", "card"), ("age", "tip", "far"), ("tier",), ("category", "channel", "location"), ("tip",)
        ),
        entities={"account": EntitySource("ACCOUNT"), "card": EntitySource("PAN", tokenise=True)},
        transaction_id=IdSource("ID"),
        occurred_at=TimeSource("WHEN", "epoch_seconds", "Europe/Paris"),
        amount=AmountSource("CENTS", "minor"),
        fields={
            "currency": Source(column="CUR"),
            "category": Source(value=5411),
            "channel": Source(column="HOW", names={"true": "in_person", "web": "online"}),
            "latitude": Source(value=48.5),
            "longitude": Source(column="LON"),
        },
        extras={
            "age": Source(column="AGE"),
            "tip": Source(column="TIP"),
            "far": Source(distance_km=("A", "B", "C", "D")),
            "tier": Source(value="gold"),
        },
        label=LabelSource(
            column="FRAUD",
            source="analyst",
            delay_ms=36 * 3_600_000,
            fraud_values=("yes", "1"),
            legitimate_values=("no",),
            legitimate=True,
            pattern=Source(column="WHY", names={"1": "stolen", "b": "bust_out"}),
        ),
        received_delay_ms=2_000,
    )
    assert [column for _, column in mapping.columns()] == [
        "ID", "WHEN", "CENTS", "ACCOUNT", "PAN", "CUR", "HOW", "LON", "AGE", "TIP", "A", "B", "C", "D",
        "FRAUD", "WHY",
    ]  # fmt: skip


def test_most_keys_may_be_left_out():
    mapping = Mapping.parse(written(), "minimal")
    assert mapping.occurred_at == TimeSource("T", "datetime", "UTC")
    assert mapping.label is None
    assert mapping.schema.optional == ()


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("{row_number: true}", IdSource()),
        ("{row_number: true, prefix: a-}", IdSource(prefix="a-")),
        ("{column: ID, prefix: a-}", IdSource("ID", "a-")),
    ],
)
def test_an_id_may_be_the_number_of_the_row(text, source):
    assert Mapping.parse(written(transaction_id=text), "m").transaction_id == source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("{column: T, format: seconds_since, start: 2013-09-01}", TimeSource("T", "seconds_since", start=DAY)),
        (
            "{column: T, format: days_since, start: '2013-09-01', hour: H}",
            TimeSource("T", "days_since", "UTC", DAY, "H"),
        ),
        ("{column: T, format: hours_since, start: 2013-09-01 00:00:00}", TimeSource("T", "hours_since", start=DAY)),
        ("{column: T, format: '%d/%m/%Y', hour: H}", TimeSource("T", "%d/%m/%Y", hour="H")),
        ("{column: T, hour: H}", TimeSource("T", hour="H")),
    ],
)
def test_a_time_may_be_counted_from_a_start_and_have_an_hour(text, source):
    mapping = Mapping.parse(written(occurred_at=text), "m")
    assert mapping.occurred_at == source
    assert [c for place, c in mapping.columns() if place == "occurred_at"] == (["T", "H"] if source.hour else ["T"])


def test_only_true_and_false_are_truth_values():
    names = (
        Mapping.parse(written(country="{column: C, names: {Norway: NO, no: SE, True: FR}}"), "m")
        .fields["country"]
        .names
    )
    assert names == {"norway": "NO", "no": "SE", "true": "FR"}


def test_data_without_entities_are_routed_by_their_ids():
    assert Mapping.parse(written(entities=None), "m").schema.routing_entity is None


def test_the_packaged_mappings_load():
    assert "handbook" in Mapping.packaged()
    for name in Mapping.packaged():
        assert Mapping.load(name).name == name
    assert Mapping.load("handbook").schema == EventSchema(("card", "merchant"), optional=())


def test_a_file_loads_by_its_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(written())
    assert Mapping.load(path) == Mapping.load(str(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("handbok", r"no mapping 'handbok'\. Did you mean 'handbook'\?"),
        ("nothing/here.yaml", "no mapping file nothing/here.yaml"),
    ],
)
def test_a_mapping_that_is_not_there_is_named(name, message):
    with pytest.raises(MappingError, match=message):
        Mapping.load(name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entities": "[card]"}, r"'entities' is \['card'\]; write a block"),
        ({"entities": "{Card: C}"}, "'Card' is no name"),
        ({"entities": "{card: {colum: C}}"}, r"entities\.card: unknown key 'colum'\. Did you mean 'column'\?"),
        ({"entities": "{card: {column: C, tokenise: sure}}"}, "'tokenise' is 'sure'; write true or false"),
        ({"transaction_id": None}, "'transaction_id' is missing; add it"),
        ({"currency": None}, "'currency' is missing"),
        ({"currency": "{column: C, value: EUR}"}, "currency: give one of column, value, and no other"),
        ({"currency": "{names: {a: EUR}}"}, "currency: give one of column, value, and no other"),
        ({"channel": "{column: C, names: [a]}"}, r"channel\.names: expected a block of `value: name`, not \['a'\]"),
        ({"transaction_id": "{prefix: a}"}, "write 'row_number: true' if the data have no id"),
        ({"transaction_id": "{column: ID, row_number: true}"}, "either 'column' or 'row_number: true'"),
        ({"currency": "{value: true}"}, "write a text"),
        ({"entities": "{card: {column: C, tokenise: yes}}"}, "'tokenise' is 'yes'; write true or false"),
        ({"latitude": "{value: north}", "longitude": "L"}, "'value' is 'north'; write a number"),
        ({"latitude": "L"}, "latitude and longitude belong together; give both, or neither"),
        ({"extra_numbers": "{far: {distance_km: [A, B]}}"}, r"write \[LATITUDE, LONGITUDE, LATITUDE, LONGITUDE\]"),
        ({"extra_numbers": "{far: {distance_km: [A, B, C, 4]}}"}, r"write \[LATITUDE, LONGITUDE, LAT"),
        ({"extra_numbers": "{tip: {column: T, aggregate: maybe}}"}, "'aggregate' is 'maybe'; write true or false"),
        ({"extra_categories": "{tip: {column: T, aggregate: true}}"}, "unknown key 'aggregate'"),
        ({"occurred_at": "{column: T, format: days_since}"}, "'start' is missing; add it"),
        ({"occurred_at": "{column: T, format: days_since, start: soon}"}, "'start' is 'soon'; write a date such as"),
        ({"occurred_at": "{column: T, format: days_since, start: 2013-02-30}"}, "is not YAML: day is out of range"),
        ({"occurred_at": "{column: T, start: 2013-09-01}"}, "'start' has no use with format 'datetime'; remove it"),
        ({"occurred_at": "{column: T, format: epoch_seconds, hour: H}"}, "'hour' belongs to a day; format must be one"),
        ({"description": "a\ndescription: b"}, "'description' is written twice"),
        ({"extra_numbers": "{age: {value: old}}"}, r"extras\.age: 'value' is 'old'; write a number"),
        ({"amuont": "{column: A}"}, r"unknown key 'amuont'\. Did you mean 'amount'\? Known: .*currency"),
        ({"amount": "A"}, "amount: expected a block of keys, not 'A'"),
        ({"amount": "{column: A}"}, "'unit' is missing"),
        ({"amount": "{column: A, unit: cents}"}, "'unit' is 'cents'. Known: major, minor"),
        ({"occurred_at": "{column: T, format: epoch_second}"}, r"Did you mean 'epoch_seconds'\?"),
        ({"occurred_at": "{column: T, timezone: Europe/Pariss}"}, r"no time zone .* Did you mean 'Europe/Paris'\?"),
        ({"received_delay": "2 weeks"}, "write a duration such as 7d"),
        ({"label": "{column: F}"}, "label: 'source' is missing"),
        ({"label": "{column: F, source: rumour}"}, "Known: chargeback, analyst, issuer_report"),
        ({"label": "{column: F, source: analyst, pattern: {column: P, names: [a]}}"}, "names: expected a block of"),
        ({"description": "[1, 2"}, "is not YAML"),
        ({"extra_numbers": "{age: A}", "extra_categories": "{age: A}"}, "'age' is declared twice"),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_remedy(changes, message):
    with pytest.raises(MappingError, match=message):
        Mapping.parse(written(**changes), "m")


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_documentation_is_read(example):
    rest = written(**dict.fromkeys(yaml.safe_load(example)))
    assert Mapping.parse(f"{rest}\n{example}", "m") != Mapping.parse(written(), "m")


def test_the_documentation_shows_every_key_and_every_packaged_mapping():
    shown = set().union(*(yaml.safe_load(example) for example in EXAMPLES)) | {"received_delay", "description"}
    with pytest.raises(MappingError) as caught:
        Mapping.parse("nothing: 1", "m")
    known = str(caught.value).split("Known: ")[1].split(", ")
    assert sorted(shown) == sorted(known)
    assert all(f"| `{name}` |" in DOCUMENTATION for name in Mapping.packaged())
    assert all(name in DOCUMENTATION for name in (*TIME_FORMATS, *CHANNELS, *TRANSACTION_TYPES, *AUTH_RESULTS))


@pytest.mark.parametrize("text", ["", "[]", "just text"])
def test_a_file_without_keys_is_no_mapping(text):
    with pytest.raises(MappingError, match="expected a block of keys"):
        Mapping.parse(text, "m")
