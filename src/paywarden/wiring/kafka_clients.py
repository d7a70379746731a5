"""Kafka's clients, all from the one section of settings."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.options import ClientOptions
from paywarden.settings import KafkaSettings


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


def _clear(properties: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in properties.items()}
