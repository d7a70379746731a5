"""Kafka's clients and topics, all from the one section of settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
from pydantic import SecretStr

from paywarden.adapters.kafka.admin import create_missing
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.consumer import tail as tail_topics
from paywarden.adapters.kafka.options import ClientOptions
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.kafka.source import KafkaSource
from paywarden.adapters.kafka.topic_check import Difference, differences
from paywarden.adapters.kafka.topic_spec import TopicSpec
from paywarden.settings import KafkaSettings, Settings

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


def kafka(settings: Settings) -> KafkaConnection:
    """The cluster."""
    return kafka_connection(settings.kafka)


def kafka_source(settings: Settings, *, headers: bool = False) -> KafkaSource:
    """The cluster, read by offsets."""
    return KafkaSource(kafka(settings), headers)


def kafka_sink(settings: Settings, *, patience_seconds: float = 60.0) -> KafkaEventProducer:
    """Acknowledged delivery to the cluster, which is tried for so long."""
    return KafkaEventProducer(kafka(settings), delivery_timeout_ms=int(patience_seconds * 1000))


def make_topics(settings: Settings) -> tuple[str, ...]:
    """Create the topics that are missing; their names."""
    return create_missing(kafka(settings), topic_specs(settings.kafka))


def topic_differences(settings: Settings) -> list[Difference]:
    """What of the topics is not as the settings want it; only looks."""
    return differences(kafka(settings), topic_specs(settings.kafka))


def tail(settings: Settings, topic: str) -> Iterator[pa.Table]:
    """Everything a topic holds and then what comes; an empty table now and then. Never ends by itself."""
    return tail_topics(kafka(settings), [topic], from_end=False)


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
