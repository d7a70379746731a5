"""Settings: who wins, what is refused, and that secrets stay secret."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from paywarden.errors import ConfigurationError
from paywarden.events.schema import OPTIONAL_FIELDS
from paywarden.settings import load_settings


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """No settings of the machine that runs the tests."""
    monkeypatch.chdir(tmp_path)
    for variable in list(os.environ):
        if variable.startswith("PAYWARDEN_"):
            monkeypatch.delenv(variable)


def write(text, name="paywarden.yaml"):
    Path(name).write_text(text)


def test_the_defaults_need_nothing():
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert settings.kafka.security() == {"security.protocol": "PLAINTEXT"}
    assert settings.state.backend == "lmdb"
    assert settings.events.entities == ("card", "merchant")
    assert settings.cache_dir == Path("~/.cache/paywarden").expanduser()


def test_arguments_win_over_environment_over_file_over_defaults(monkeypatch):
    write("kafka:\n  bootstrap_servers: file:1\n  partitions: 2\n  sasl_username: file\nstate:\n  shards: 8\n")
    monkeypatch.setenv("PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS", "environment:1")
    monkeypatch.setenv("PAYWARDEN_KAFKA__PARTITIONS", "3")
    settings = load_settings(kafka={"bootstrap_servers": "argument:1"})
    assert settings.kafka.bootstrap_servers == "argument:1"
    assert settings.kafka.partitions == 3
    assert settings.kafka.sasl_username == "file"  # sections merge key by key
    assert settings.kafka.topics.labels == "labels"
    assert settings.state.shards == 8


def test_a_nested_name_is_reached_from_everywhere(monkeypatch):
    write("kafka:\n  topics:\n    alerts: file-alerts\n    labels: file-labels\n")
    monkeypatch.setenv("PAYWARDEN_KAFKA__TOPICS__LABELS", "environment-labels")
    topics = load_settings().kafka.topics
    assert (topics.alerts, topics.labels, topics.outcomes) == ("file-alerts", "environment-labels", "outcomes")


def test_another_file_can_be_named(monkeypatch, tmp_path):
    write("state: {shards: 9}\n")
    write("state: {shards: 5}\n", "other.yaml")
    monkeypatch.setenv("PAYWARDEN_CONFIG", str(tmp_path / "other.yaml"))
    assert load_settings().state.shards == 5
    monkeypatch.setenv("PAYWARDEN_CONFIG", "absent.yaml")
    with pytest.raises(ConfigurationError, match=r"PAYWARDEN_CONFIG is absent\.yaml"):
        load_settings()


def test_a_preset_fills_only_what_is_not_set(monkeypatch):
    monkeypatch.setenv("PAYWARDEN_KAFKA__PRESET", "confluent-cloud")
    monkeypatch.setenv("PAYWARDEN_KAFKA__SASL_USERNAME", "key")
    monkeypatch.setenv("PAYWARDEN_KAFKA__SASL_PASSWORD", "hush")
    kafka = load_settings().kafka
    assert kafka.security() == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "key",
        "sasl.password": "hush",
    }
    assert kafka.replication_factor == 3
    assert kafka.options["session.timeout.ms"].get_secret_value() == "45000"
    write("kafka: {replication_factor: 1, options: {client.id: mine}, security_protocol: SASL_PLAINTEXT}\n")
    kafka = load_settings().kafka
    assert (kafka.replication_factor, kafka.security()["security.protocol"]) == (1, "SASL_PLAINTEXT")
    assert set(kafka.options) == {"client.id", "session.timeout.ms"}


def test_properties_of_clients_are_written_with_dots_or_as_a_shell_can(monkeypatch):
    write("kafka: {options: {linger.ms: 5, enable.metrics.push: false}}\n")
    monkeypatch.setenv("PAYWARDEN_KAFKA__OPTIONS__SESSION_TIMEOUT_MS", "60000")
    monkeypatch.setenv("PAYWARDEN_KAFKA__PRESET", "confluent-cloud")
    options = {name: value.get_secret_value() for name, value in load_settings().kafka.options.items()}
    assert options == {"linger.ms": "5", "enable.metrics.push": "false", "session.timeout.ms": "60000"}


def test_secrets_are_given_to_the_connection_and_shown_to_nobody():
    settings = load_settings(
        kafka={"sasl_password": "hush-1", "ssl_key_password": "hush-5", "options": {"ssl.x": "hush-6"}},
        state={"redis_url": "redis://:hush-2@host"},
        lake={"storage_options": {"AWS_SECRET_ACCESS_KEY": "hush-3"}},
        events={"token_key": "hush-4"},
    )
    assert settings.kafka.security()["sasl.password"] == "hush-1"
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.kafka)):
        assert "hush" not in shown


def test_a_wrong_value_is_not_repeated_since_it_may_be_a_secret(monkeypatch):
    monkeypatch.setenv("PAYWARDEN_EVENTS__TOKEN_KEY__OOPS", "hush")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(kafka={"sasl_password": ["hush"], "partitions": "hush"})
    assert "kafka.partitions" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("kafak: {}\n", r"kafak: there is no such setting; known here: api, cache_dir, .*, kafka, lake, .*, training"),
        ("kafka: {bootstrap_server: a}\n", r"kafka\.bootstrap_server: there is no such.*bootstrap_servers"),
        ("kafka: {topics: {lables: a}}\n", r"kafka\.topics\.lables: .*labels"),
        ("state: {backend: rocksdb}\n", r"state\.backend: .*'lmdb' or 'redis'"),
        ("state: {shards: 0}\n", r"state\.shards: .*greater than or equal to 1"),
        ("events: {base_currency: euro}\n", r"events\.base_currency: .*ISO 4217"),
        ("events: {rates: {USD: [{from: 2024-01-01, rate: 0}]}}\n", r"events\.rates\.USD\.0\.rate: .*greater than 0"),
        ("events: {optional: [latitude]}\n", r"events\.optional\.0: .*'country' or 'location'"),
        ("events: {entities: [Card Number]}\n", r"events\.entities\.0: "),
        ("console: {monitor_report: latest.json}\n", r"console\.monitor_report: .*ends in report\.json"),
        ("- a\n", "must hold sections"),
        ("a: [\n", "cannot be read as YAML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_remedy(text, named):
    write(text)
    with pytest.raises(ConfigurationError, match=named):
        load_settings()


@pytest.mark.parametrize("variable", ["PAYWARDEN_KAFAK__PARTITIONS", "PAYWARDEN_PARTITIONS"])
def test_a_mistyped_variable_is_not_taken_for_a_default(monkeypatch, variable):
    monkeypatch.setenv(variable, "4")
    with pytest.raises(ConfigurationError, match=variable):
        load_settings()


def test_a_mistyped_name_within_a_section_is_refused_too(monkeypatch):
    monkeypatch.setenv("PAYWARDEN_KAFKA__PARTITONS", "4")
    with pytest.raises(ConfigurationError, match="partitons"):
        load_settings()


def test_a_section_in_the_environment_must_be_json(monkeypatch):
    monkeypatch.setenv("PAYWARDEN_STATE", "shards=4")
    with pytest.raises(ConfigurationError, match=r'cannot be read: .*"state"'):
        load_settings()


def test_several_mistakes_are_told_at_once():
    with pytest.raises(ConfigurationError, match=r"2 settings are wrong(.*\n)*.*state\.shards(.*\n)*.*policy"):
        load_settings(state={"shards": 0}, policy={"alerts_per_day": 0})


def test_rates_are_dated():
    write("events:\n  rates:\n    USD:\n    - {from: 2024-01-01, rate: 0.9}\n    - {from: 2024-07-01, rate: 0.93}\n")
    rates = load_settings().events.rates
    assert [(rate.valid_from, rate.rate) for rate in rates["USD"]] == [
        (date(2024, 1, 1), Decimal("0.9")),
        (date(2024, 7, 1), Decimal("0.93")),
    ]


@pytest.mark.parametrize("written", ["customer,device", '["customer", "device"]'])
def test_a_list_in_the_environment_may_be_words_or_json(monkeypatch, written):
    monkeypatch.setenv("PAYWARDEN_EVENTS__ENTITIES", written)
    assert load_settings().events.entities == ("customer", "device")


def test_every_optional_field_of_the_events_is_a_setting(monkeypatch):
    assert load_settings().events.optional == OPTIONAL_FIELDS
    monkeypatch.setenv("PAYWARDEN_EVENTS__OPTIONAL", "country,location")
    assert load_settings().events.optional == ("country", "location")


def test_settings_cannot_be_changed():
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.kafka.partitions = 9


@pytest.mark.parametrize("name", ["PAYWARDEN_COMMAND", "PAYWARDEN_ALERT_WEBHOOK"])
def test_what_airflows_tasks_are_told_is_no_wrong_setting(monkeypatch, name):
    monkeypatch.setenv(name, "something")
    assert load_settings().kafka.partitions == 4


def test_properties_of_a_topic_are_by_its_key():
    topics = {"topic_options": {"dead_letters": {"retention_ms": 5}}}
    assert load_settings(kafka=topics).kafka.topic_options == {"dead_letters": {"retention.ms": "5"}}
    with pytest.raises(ConfigurationError, match=r"kafka\.topic_options: .*no topic dead; known are transactions"):
        load_settings(kafka={"topic_options": {"dead": {}}})
