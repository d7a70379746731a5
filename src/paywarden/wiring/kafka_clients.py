"""Kafka's clients and topics, all from the one section of settings."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.options import ClientOptions
from paywarden.adapters.kafka.topic_spec import TopicSpec
from paywarden.settings import KafkaSettings

_DAY_MS = 86_400_000


def kafka_connection(section: KafkaSettings) -> KafkaConnection:
    """The cluster, for producers, consumers, admin clients and Spark alike."""
    options = ClientOptions(
        every=_clear(section.options),
        producer=_clear(section.producer_options),
        consumer=_clear(section.consumer_options),
        admin=_clear(section.admin_options),
        spark=_clear(section.spark_options),
    )
    return KafkaConnection(section.bootstrap_servers, section.security(), options)


def topic_specs(section: KafkaSettings) -> dict[str, TopicSpec]:
    """Topic → how it is wanted."""
    return {str(name): _spec(section, role) for role, name in section.topics.model_dump().items()}


def _spec(section: KafkaSettings, role: str) -> TopicSpec:
    """Every topic is a log that forgets by age, but for what has been re-driven: of that the last word a key is kept.

    What has been re-driven is little, and read whole by whoever re-drives, hence one partition.
    """
    config = {"cleanup.policy": "compact" if role == "redriven" else "delete"}
    if section.retention_days is not None and role != "redriven":
        config["retention.ms"] = str(int(section.retention_days * _DAY_MS))
    config |= section.topic_options.get(role, {})
    return TopicSpec(1 if role == "redriven" else section.partitions, section.replication_factor, config)


def _clear(properties: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in properties.items()}
