"""Kafka's own properties, as a deployment passes them to the clients, and which of them are not its to set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from paywarden.errors import ConfigurationError

_SET_BY = {
    "bootstrap.servers": "bootstrap_servers",
    "metadata.broker.list": "bootstrap_servers",
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_username",
    "sasl.password": "sasl_password",
    "sasl.jaas.config": "sasl_username and kafka.sasl_password",
    "ssl.ca.location": "ssl_ca_location",
    "ssl.certificate.location": "ssl_certificate_location",
    "ssl.key.location": "ssl_key_location",
    "ssl.key.password": "ssl_key_password",
    "ssl.truststore.location": "ssl_ca_location",
    "ssl.keystore.location": "ssl_certificate_location",
    "ssl.endpoint.identification.algorithm": "ssl_verify_hostname",
}
"""Properties that have a setting of their own, which all clients share."""

_PROMISED = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "delivery.report.only.error",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "isolation.level",
        "key.deserializer",
        "key.serializer",
        "partitioner",
        "partitioner.class",
        "request.required.acks",
        "transactional.id",
        "value.deserializer",
        "value.serializer",
    }
)
"""Properties on which delivery, order or the choice of partitions rest."""


@dataclass(frozen=True)
class ClientOptions:
    """Properties for ``every`` client, and further ones by client, which win. Values never show in its repr.

    All but ``spark`` have the names of librdkafka; those of ``spark`` are the Java client's. Raises
    :class:`ConfigurationError` for a property that has a setting of its own, or on which Paywarden's guarantees rest.
    """

    every: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    producer: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    consumer: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    admin: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    spark: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        """Refuse what is set elsewhere, or not at all."""
        for each in fields(self):
            setting = "kafka.options" if each.name == "every" else f"kafka.{each.name}_options"
            for name in getattr(self, each.name):
                _require_free(setting, name)

    def names(self) -> str:
        """The settings that hold any properties, for a message."""
        held = [each.name for each in fields(self) if getattr(self, each.name)]
        return ", ".join("kafka.options" if name == "every" else f"kafka.{name}_options" for name in held)


def _require_free(setting: str, name: str) -> None:
    if name in _SET_BY:
        raise ConfigurationError(f"{setting} sets {name}. Set kafka.{_SET_BY[name]} instead; it reaches all clients.")
    if name in _PROMISED:
        raise ConfigurationError(
            f"{setting} sets {name}, on which Paywarden's promises of delivery and order rest. Remove it."
        )
