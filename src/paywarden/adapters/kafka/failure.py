"""confluent-kafka's exceptions, translated at the edge into :class:`paywarden.errors.KafkaError`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import confluent_kafka

from paywarden.errors import ConfigurationError, KafkaError

CLIENT_LOGGER = logging.getLogger("paywarden.kafka")
"""Where librdkafka's own log lines go (by default it writes to stderr, past every log configuration)."""

# Failures are raised here with their cause; librdkafka repeats each some twenty times a second while a broker is down.
# Whoever wants to see that lowers the level of this logger.
CLIENT_LOGGER.setLevel(logging.CRITICAL)

_Code = confluent_kafka.KafkaError
_UNREACHABLE = frozenset({_Code._TRANSPORT, _Code._ALL_BROKERS_DOWN, _Code._TIMED_OUT, _Code._RESOLVE})  # noqa: SLF001  # their public names
_TLS_SIGNS = ("SSL", "ssl", "certificate")
_OURS_IS_REFUSED = ("certificate unknown", "bad certificate", "unknown ca")
"""Alerts that come from the broker; Java's says no more of a certificate that has expired."""
_NOT_TLS = frozenset({_Code._TRANSPORT, _Code._ALL_BROKERS_DOWN})  # noqa: SLF001  # their public names


class ClientErrors:
    """Remembers the last error a client reported from its background threads.

    A call that times out says only that; the cause (credentials refused, host unknown) comes this way.
    """

    def __init__(self) -> None:
        self.last: confluent_kafka.KafkaError | None = None

    def __call__(self, error: confluent_kafka.KafkaError) -> None:
        """Remember ``error``; this is the client's ``error_cb``."""
        vague = error.code() == _Code._ALL_BROKERS_DOWN  # noqa: SLF001  # its public name
        if not (vague and self.last is not None):
            self.last = error


def failure(doing: str, where: str, error: confluent_kafka.KafkaError) -> KafkaError:
    """The error to raise: what was being done, at which servers, what the client said, and what to do."""
    return KafkaError(
        f"{doing} failed at {where}: {error.str()} ({error.name()}). {_remedy(error.code(), error.str())}"
    )


@contextmanager
def translated(doing: str, where: str, errors: ClientErrors | None = None, *, options: str = "") -> Iterator[None]:
    """Raise :class:`KafkaError` in place of the client's exceptions. ``doing`` begins the message.

    Where a client is made, ``options`` names the settings that pass properties on: what it refuses is one of them, and
    a :class:`ConfigurationError`.
    """
    try:
        yield
    except confluent_kafka.KafkaException as error:
        cause = error.args[0]
        if cause.code() == _Code._INVALID_ARG and options:  # noqa: SLF001  # its public name
            raise ConfigurationError(
                f"{doing} failed: {cause.str()}. Correct {options}; names that only the Java client knows belong into "
                "kafka.spark_options."
            ) from error
        if errors is not None and errors.last is not None and cause.code() in _UNREACHABLE:
            cause = errors.last
        raise failure(doing, where, cause) from error


def _remedy(code: int, said: str) -> str:
    if code == _Code._SSL or (code in _NOT_TLS and any(sign in said for sign in _TLS_SIGNS)):  # noqa: SLF001
        return _tls_remedy(said)
    return next((remedy for codes, remedy in _REMEDIES if code in codes), "See the broker's log.")


def _tls_remedy(said: str) -> str:
    if "expired" in said:
        return "A certificate has expired: renew it at the broker, or ours (kafka.ssl_certificate_location)."
    if any(f"alert {refusal}" in said for refusal in _OURS_IS_REFUSED):
        return (
            "The broker refused our certificate (kafka.ssl_certificate_location). It may have expired: renew it; or "
            "the broker does not trust who signed it."
        )
    if "hostname" in said.lower() or "host name" in said.lower():
        return (
            "The broker's certificate does not name that host: write it in kafka.bootstrap_servers as the certificate "
            "does, or, where that cannot be, set kafka.ssl_verify_hostname to false."
        )
    return (
        "No TLS connection came about: check kafka.ssl_ca_location (who signed the broker's certificate), whether "
        "that certificate has expired or names another host (kafka.ssl_verify_hostname), kafka.security_protocol, "
        "and, where the broker asks for ours, kafka.ssl_certificate_location."
    )


_REMEDIES = (
    (
        _UNREACHABLE,
        "No broker answered: check that it runs, and kafka.bootstrap_servers and kafka.security_protocol.",
    ),
    (
        (_Code._AUTHENTICATION, _Code.SASL_AUTHENTICATION_FAILED),  # noqa: SLF001
        "The broker refused: check kafka.sasl_username, kafka.sasl_password and kafka.sasl_mechanism.",
    ),
    (
        (
            _Code.TOPIC_AUTHORIZATION_FAILED,
            _Code.GROUP_AUTHORIZATION_FAILED,
            _Code.CLUSTER_AUTHORIZATION_FAILED,
            _Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ),
        "The user lacks a right: give kafka.sasl_username, or our certificate's subject, the ACL of docs/kafka.md.",
    ),
    (
        (_Code.UNKNOWN_TOPIC_OR_PART, _Code._UNKNOWN_TOPIC, _Code._UNKNOWN_PARTITION),  # noqa: SLF001
        "The topic does not exist: create the topics with `paywarden topics`, or check kafka.topics.",
    ),
    (
        (_Code.OFFSET_OUT_OF_RANGE, _Code._AUTO_OFFSET_RESET),  # noqa: SLF001
        "Retention has removed these records: raise the topic's retention, or begin at the earliest offset.",
    ),
    (
        (_Code.MSG_SIZE_TOO_LARGE,),
        "The record is larger than message.max.bytes of client or broker: it is no event of ours; look at it.",
    ),
)
