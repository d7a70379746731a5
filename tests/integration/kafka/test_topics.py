"""Topics made as the settings want them, and held against them where they are not ours to make."""

from __future__ import annotations

import itertools
import os

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from typer.testing import CliRunner

from paywarden import wiring
from paywarden.adapters.kafka.admin import create_missing
from paywarden.adapters.kafka.topic_check import differences
from paywarden.adapters.kafka.topic_spec import TopicSpec
from paywarden.cli.app import app
from paywarden.settings import TopicNames, load_settings

_NUMBERS = itertools.count(1)


@pytest.fixture
def kafka_section(kafka):
    stem = f"topics.{os.getpid()}.{next(_NUMBERS)}"
    names = {role: f"{stem}.{role}" for role in TopicNames.model_fields}
    return {"bootstrap_servers": kafka.bootstrap_servers, "partitions": 2, "topics": names, "retention_days": 7}


def config_of(kafka, topic):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    client = AdminClient(kafka.admin_config())  # it must outlive its answer
    (answer,) = client.describe_configs([resource]).values()
    return {name: entry.value for name, entry in answer.result().items()}


def test_topics_are_made_with_partitions_retention_and_compaction(kafka, kafka_section):
    kafka_section["topic_options"] = {"dead_letters": {"retention.ms": "-1", "max_message_bytes": "2000000"}}
    settings = load_settings(kafka=kafka_section)
    topics = settings.kafka.topics
    assert set(wiring.make_topics(settings)) == set(topics.model_dump().values())
    transactions = config_of(kafka, topics.transactions)
    assert (transactions["cleanup.policy"], transactions["retention.ms"]) == ("delete", "604800000")
    dead = config_of(kafka, topics.dead_letters)
    assert (dead["retention.ms"], dead["max.message.bytes"]) == ("-1", "2000000")
    assert config_of(kafka, topics.redriven)["cleanup.policy"] == "compact"
    assert wiring.topic_differences(settings) == []
    assert wiring.make_topics(settings) == ()


def test_what_differs_is_told_with_the_command_that_corrects_it(kafka, topic_factory):
    old = topic_factory("old", partitions=2)
    missing = old + ".missing"
    wanted = {
        old: TopicSpec(4, 3, {"cleanup.policy": "compact", "retention.ms": "5"}),
        missing: TopicSpec(1, 3, {"retention.ms": "5"}),
    }
    found = {difference.said: difference.remedy for difference in differences(kafka, wanted)}
    assert set(found) == {
        "has 2 partitions instead of 4",
        "has 1 replicas instead of 3",
        "has cleanup.policy=delete instead of compact",
        "has retention.ms=-1 instead of 5",
        "does not exist",
    }
    assert f"--alter --topic {old} --partitions 4" in found["has 2 partitions instead of 4"]
    assert "--add-config retention.ms=5" in found["has retention.ms=-1 instead of 5"]
    assert (
        f"--create --topic {missing} --partitions 1 --replication-factor 3 --config retention.ms=5"
        in (found["does not exist"])
    )
    (fewer,) = differences(kafka, {old: TopicSpec(1)})
    assert "set kafka.partitions to 2" in fewer.remedy
    assert create_missing(kafka, {old: TopicSpec(4)}) == ()  # what exists is left alone


def test_the_command_checks_without_creating(kafka_section, monkeypatch):
    for name in ("bootstrap_servers", "partitions"):
        monkeypatch.setenv(f"PAYWARDEN_KAFKA__{name.upper()}", str(kafka_section[name]))
    for role, topic in kafka_section["topics"].items():
        monkeypatch.setenv(f"PAYWARDEN_KAFKA__TOPICS__{role.upper()}", topic)
    runner = CliRunner()
    assert runner.invoke(app, ["topics", "--check"]).exit_code == 3
    assert runner.invoke(app, ["topics"]).exit_code == 0
    assert runner.invoke(app, ["topics", "--check"]).exit_code == 0
    monkeypatch.setenv("PAYWARDEN_KAFKA__PARTITIONS", "3")
    assert runner.invoke(app, ["topics", "--check"]).exit_code == 3
