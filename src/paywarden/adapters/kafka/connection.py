"""Where Kafka is and how to be let in: one value object for librdkafka clients and for Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from paywarden.errors import ConfigurationError

_SECURITY_KEYS = frozenset({"security.protocol", "sasl.mechanism", "sasl.username", "sasl.password", "ssl.ca.location"})
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


@dataclass(frozen=True)
class KafkaConnection:
    """Bootstrap servers and security, ready to be handed to a client or to Spark. Secrets never show in its repr.

    ``security`` has Kafka's own names: ``security.protocol``, ``sasl.mechanism`` (PLAIN, SCRAM-SHA-256 or -512),
    ``sasl.username``, ``sasl.password``, ``ssl.ca.location`` (a PEM file). Confluent Cloud is ``SASL_SSL`` with
    ``PLAIN``, the API key as user name and its secret as password. Empty means an open ``PLAINTEXT`` broker.
    Raises :class:`ConfigurationError` for an unknown name, and where a protocol lacks what it needs.
    """

    bootstrap_servers: str
    security: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        """Refuse what a client would only complain about minutes later, in its log."""
        if not self.bootstrap_servers.strip():
            raise ConfigurationError("kafka.bootstrap_servers is empty. Set it to host:port[,host:port…].")
        unknown = sorted(set(self.security) - _SECURITY_KEYS)
        if unknown:
            raise ConfigurationError(f"Kafka security has unknown names {unknown}; known are {sorted(_SECURITY_KEYS)}.")
        if self.protocol not in _PROTOCOLS:
            raise ConfigurationError(f"kafka.security_protocol is {self.protocol!r}; it must be one of {_PROTOCOLS}.")
        if self.protocol.startswith("SASL"):
            self._check_sasl()

    @property
    def protocol(self) -> str:
        """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
        return self.security.get("security.protocol", "PLAINTEXT")

    def client_config(self, **options: str | int | bool) -> dict[str, str | int | bool]:
        """The configuration of a confluent-kafka client; ``options`` are added with ``_`` read as ``.``."""
        config: dict[str, str | int | bool] = {"bootstrap.servers": self.bootstrap_servers, **self.security}
        config.update({name.replace("_", "."): value for name, value in options.items()})
        return config

    def spark_options(self) -> dict[str, str]:
        """The ``kafka.*`` options of Spark's Kafka source and sink."""
        options = {"kafka.bootstrap.servers": self.bootstrap_servers}
        if self.protocol != "PLAINTEXT":
            options["kafka.security.protocol"] = self.protocol
        if self.protocol.startswith("SASL"):
            options["kafka.sasl.mechanism"] = self.security["sasl.mechanism"]
            options["kafka.sasl.jaas.config"] = self._jaas()
        if "ssl.ca.location" in self.security:
            options["kafka.ssl.truststore.type"] = "PEM"
            options["kafka.ssl.truststore.location"] = self.security["ssl.ca.location"]
        return options

    def _check_sasl(self) -> None:
        wanted = ("sasl.mechanism", "sasl.username", "sasl.password")
        missing = [name for name in wanted if not self.security.get(name)]
        if missing:
            named = ", ".join("kafka." + name.replace(".", "_") for name in missing)
            raise ConfigurationError(f"kafka.security_protocol is {self.protocol}, which also needs {named}.")
        mechanism = self.security["sasl.mechanism"]
        if mechanism not in _LOGIN_MODULES:
            raise ConfigurationError(
                f"kafka.sasl_mechanism is {mechanism!r}; it must be one of {tuple(_LOGIN_MODULES)}."
            )

    def _jaas(self) -> str:
        module = _LOGIN_MODULES[self.security["sasl.mechanism"]]
        user, password = (_quoted(self.security[name]) for name in ("sasl.username", "sasl.password"))
        return f"{module} required username={user} password={password};"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
