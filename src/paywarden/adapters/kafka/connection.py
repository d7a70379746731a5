"""Where Kafka is and how to be let in: one value object for librdkafka clients and for Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from paywarden.adapters.kafka.options import ClientOptions
from paywarden.adapters.kafka.pem import certificate_text, key_text
from paywarden.errors import ConfigurationError

_TLS_FILES = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location")
_TLS_KEYS = frozenset({*_TLS_FILES, "ssl.key.password", "ssl.endpoint.identification.algorithm"})
_SASL_KEYS = frozenset({"sasl.mechanism", "sasl.username", "sasl.password"})
_SECURITY_KEYS = frozenset({"security.protocol", *_SASL_KEYS, *_TLS_KEYS})
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
Config = dict[str, str | int | bool]


@dataclass(frozen=True)
class KafkaConnection:
    """Bootstrap servers, security and further properties, ready for a client or for Spark. No secret is in its repr.

    ``security`` has librdkafka's names: ``security.protocol``, ``sasl.mechanism`` (PLAIN, SCRAM-SHA-256 or -512),
    ``sasl.username``, ``sasl.password``; ``ssl.ca.location``, ``ssl.certificate.location``, ``ssl.key.location`` (PEM
    files), ``ssl.key.password``, ``ssl.endpoint.identification.algorithm`` (``none``: any host name is accepted).
    Confluent Cloud is ``SASL_SSL`` with ``PLAIN``, the API key as user name and its secret as password. Empty means an
    open ``PLAINTEXT`` broker. Raises :class:`ConfigurationError` for an unknown name, for a file that cannot be used,
    and where a protocol lacks what it needs or would leave what was set unused.
    """

    bootstrap_servers: str
    security: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    options: ClientOptions = field(default_factory=ClientOptions)

    def __post_init__(self) -> None:
        """Refuse what a client would only complain about minutes later, in its log."""
        if not self.bootstrap_servers.strip():
            raise ConfigurationError("kafka.bootstrap_servers is empty. Set it to host:port[,host:port…].")
        unknown = sorted(set(self.security) - _SECURITY_KEYS)
        if unknown:
            raise ConfigurationError(f"Kafka security has unknown names {unknown}; known are {sorted(_SECURITY_KEYS)}.")
        if self.protocol not in _PROTOCOLS:
            raise ConfigurationError(f"kafka.security_protocol is {self.protocol!r}; it must be one of {_PROTOCOLS}.")
        self._refuse_unused("SASL", _SASL_KEYS, "SASL_SSL (or SASL_PLAINTEXT)")
        self._refuse_unused("SSL", _TLS_KEYS, "SSL or SASL_SSL")
        if self.protocol.startswith("SASL"):
            self._check_sasl()
        self._pem_options()

    @property
    def protocol(self) -> str:
        """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
        return self.security.get("security.protocol", "PLAINTEXT")

    def client_config(self, **options: str | int | bool) -> Config:
        """What every confluent-kafka client is given; ``options`` are added with ``_`` read as ``.``."""
        config: Config = {"bootstrap.servers": self.bootstrap_servers, **self.security, **self.options.every}
        config.update({name.replace("_", "."): value for name, value in options.items()})
        return config

    def producer_config(self) -> Config:
        """The configuration of a confluent-kafka producer."""
        return {**self.client_config(), **self.options.producer}

    def consumer_config(self) -> Config:
        """The configuration of a confluent-kafka consumer."""
        return {**self.client_config(), **self.options.consumer}

    def admin_config(self) -> Config:
        """The configuration of a confluent-kafka admin client."""
        return {**self.client_config(), **self.options.admin}

    def spark_options(self) -> dict[str, str]:
        """The ``kafka.*`` options of Spark's Kafka source and sink.

        Certificates and key go by content, not by path: executors on other machines need no file.
        """
        options = {"bootstrap.servers": self.bootstrap_servers}
        if self.protocol != "PLAINTEXT":
            options["security.protocol"] = self.protocol
        if self.protocol.startswith("SASL"):
            options["sasl.mechanism"] = self.security["sasl.mechanism"]
            options["sasl.jaas.config"] = self._jaas()
        if self.security.get("ssl.endpoint.identification.algorithm") == "none":
            options["ssl.endpoint.identification.algorithm"] = ""
        options |= {**self._pem_options(), **self.options.every, **self.options.spark}
        return {f"kafka.{name}": value for name, value in options.items()}

    def _refuse_unused(self, part: str, keys: frozenset[str], remedy: str) -> None:
        unused = [] if part in self.protocol else sorted(keys & set(self.security))
        if unused:
            named = ", ".join(map(_setting, unused))
            raise ConfigurationError(
                f"{named} is set, but kafka.security_protocol is {self.protocol}, which does not use it. Set "
                f"kafka.security_protocol to {remedy}, or remove what is not meant."
            )

    def _check_sasl(self) -> None:
        wanted = ("sasl.mechanism", "sasl.username", "sasl.password")
        missing = [name for name in wanted if not self.security.get(name)]
        if missing:
            named = ", ".join(map(_setting, missing))
            raise ConfigurationError(f"kafka.security_protocol is {self.protocol}, which also needs {named}.")
        mechanism = self.security["sasl.mechanism"]
        if mechanism not in _LOGIN_MODULES:
            raise ConfigurationError(
                f"kafka.sasl_mechanism is {mechanism!r}; it must be one of {tuple(_LOGIN_MODULES)}."
            )

    def _pem_options(self) -> dict[str, str]:
        """Java's properties of our certificates, which are read and looked at."""
        authority, certificate, key = (self.security.get(name) for name in _TLS_FILES)
        if bool(certificate) != bool(key):
            given, missing = (_TLS_FILES[1:]) if certificate else reversed(_TLS_FILES[1:])
            raise ConfigurationError(f"{_setting(given)} is set, which also needs {_setting(missing)}.")
        options = {}
        if authority:
            options["ssl.truststore.type"] = "PEM"
            options["ssl.truststore.certificates"] = certificate_text(_setting(_TLS_FILES[0]), authority)
        if certificate and key:
            password = self.security.get("ssl.key.password")
            options["ssl.keystore.type"] = "PEM"
            options["ssl.keystore.certificate.chain"] = certificate_text(_setting(_TLS_FILES[1]), certificate)
            options["ssl.keystore.key"] = key_text(_setting(_TLS_FILES[2]), key, has_password=bool(password))
            options |= {"ssl.key.password": password} if password else {}
        return options

    def _jaas(self) -> str:
        module = _LOGIN_MODULES[self.security["sasl.mechanism"]]
        user, password = (_quoted(self.security[name]) for name in ("sasl.username", "sasl.password"))
        return f"{module} required username={user} password={password};"


def _setting(name: str) -> str:
    """The setting behind a property of ours."""
    if name == "ssl.endpoint.identification.algorithm":
        return "kafka.ssl_verify_hostname"
    return "kafka." + name.replace(".", "_")


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
