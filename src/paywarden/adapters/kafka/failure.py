"""confluent-kafka's exceptions, translated at the edge into :class:`paywarden.errors.KafkaError`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import confluent_kafka

from paywarden.errors import KafkaError

CLIENT_LOGGER = logging.getLogger("paywarden.kafka")
"""Where librdkafka's own log lines go (by default it writes to stderr, past every log configuration)."""

# Failures are raised here with their cause; librdkafka repeats each some twenty times a second while a broker is down.
# Whoever wants to see that lowers the level of this logger.
CLIENT_LOGGER.setLevel(logging.CRITICAL)

_Code = confluent_kafka.KafkaError
_UNREACHABLE = frozenset({_Code._TRANSPORT, _Code._ALL_BROKERS_DOWN, _Code._TIMED_OUT, _Code._RESOLVE})  # noqa: SLF001  # their public names
_REFUSED = frozenset(
    {
        _Code._AUTHENTICATION,  # noqa: SLF001  # its public name
        _Code.SASL_AUTHENTICATION_FAILED,
        _Code.TOPIC_AUTHORIZATION_FAILED,
        _Code.GROUP_AUTHORIZATION_FAILED,
        _Code.CLUSTER_AUTHORIZATION_FAILED,
    }
)


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
    return KafkaError(f"{doing} failed at {where}: {error.str()} ({error.name()}). {_remedy(error.code())}")


@contextmanager
def translated(doing: str, where: str, errors: ClientErrors | None = None) -> Iterator[None]:
    """Raise :class:`KafkaError` in place of the client's exceptions. ``doing`` begins the message."""
    try:
        yield
    except confluent_kafka.KafkaException as error:
        cause = error.args[0]
        if errors is not None and errors.last is not None and cause.code() in _UNREACHABLE:
            cause = errors.last
        raise failure(doing, where, cause) from error


def _remedy(code: int) -> str:
    if code in _UNREACHABLE:
        return "No broker answered: check that it runs, and kafka.bootstrap_servers and kafka.security_protocol."
    if code in _REFUSED:
        return "The broker refused: check kafka.sasl_username and kafka.sasl_password, and the rights of that user."
    if code in (_Code.UNKNOWN_TOPIC_OR_PART, _Code._UNKNOWN_TOPIC, _Code._UNKNOWN_PARTITION):  # noqa: SLF001
        return "The topic does not exist: create the topics with `paywarden topics`, or check kafka.topics."
    if code in (_Code.OFFSET_OUT_OF_RANGE, _Code._AUTO_OFFSET_RESET):  # noqa: SLF001
        return "Retention has removed these records: raise the topic's retention, or begin at the earliest offset."
    if code == _Code.MSG_SIZE_TOO_LARGE:
        return "The record is larger than message.max.bytes of client or broker: it is no event of ours; look at it."
    return "See the broker's log."
