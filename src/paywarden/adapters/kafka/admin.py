"""Topics and offsets of a Kafka cluster.

Every call may be repeated: creating topics leaves what exists alone, all others only read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import confluent_kafka
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, NewTopic, OffsetSpec, TopicMetadata  # type: ignore[attr-defined]

from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.failure import CLIENT_LOGGER, ClientErrors, failure, translated
from paywarden.adapters.kafka.topic_spec import TopicSpec
from paywarden.errors import KafkaError

Offsets = dict[str, dict[int, int]]
"""Topic → partition → offset. As an end it is exclusive: the offset of the next record to come."""

_TIMEOUT_SECONDS = 10.0

_NOT_YET = frozenset(
    {
        confluent_kafka.KafkaError.NOT_LEADER_FOR_PARTITION,
        confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE,
        confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""What a broker says of a partition that it is about to lead: the controller tells it a moment after all others."""

_NOT_OURS_TO_MAKE = frozenset(
    {
        confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
        confluent_kafka.KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        confluent_kafka.KafkaError.POLICY_VIOLATION,
    }
)


def ping(connection: KafkaConnection, timeout_seconds: float = 5.0) -> int:
    """The number of brokers alive; raises :class:`KafkaError` when none answers within ``timeout_seconds``."""
    return len(metadata_of(connection, timeout_seconds).brokers)


def metadata_of(connection: KafkaConnection, timeout_seconds: float = 5.0) -> ClusterMetadata:
    """The brokers and topics as the cluster tells them; raises :class:`KafkaError` as :func:`ping` does."""
    return cluster_metadata(AdminConnection(connection), "Asking for the brokers", timeout_seconds)


def ensure_topics(
    connection: KafkaConnection, partitions: Mapping[str, int], *, timeout_seconds: float = _TIMEOUT_SECONDS
) -> tuple[str, ...]:
    """As :func:`create_missing`, for topics of which only the number of partitions is wanted."""
    wanted = {name: TopicSpec(count) for name, count in partitions.items()}
    return create_missing(connection, wanted, timeout_seconds=timeout_seconds)


def create_missing(
    connection: KafkaConnection, wanted: Mapping[str, TopicSpec], *, timeout_seconds: float = _TIMEOUT_SECONDS
) -> tuple[str, ...]:
    """Create the topics (by name) that do not exist yet; gives the names created, once all partitions have a leader.

    Raises :class:`KafkaError`; where creating is not allowed, it has the commands for somebody who is.
    """
    client = AdminConnection(connection)
    existing = cluster_metadata(client, "Listing the topics", timeout_seconds).topics
    missing = {name: spec for name, spec in wanted.items() if name not in existing}
    created: list[str] = []
    if missing:
        asked = client.admin.create_topics(
            [_new_topic(name, spec) for name, spec in missing.items()],
            operation_timeout=timeout_seconds,
            request_timeout=timeout_seconds,
        )
        created = _created(client.where, missing, asked)
    _wait_for_leaders(client, wanted, timeout_seconds)
    return tuple(created)


def topic_partitions(
    connection: KafkaConnection, topics: Iterable[str], timeout_seconds: float = _TIMEOUT_SECONDS
) -> dict[str, tuple[int, ...]]:
    """The partition numbers of each topic; raises :class:`KafkaError` for a topic that does not exist."""
    return _partitions(AdminConnection(connection), topics, timeout_seconds)


def earliest_offsets(
    connection: KafkaConnection, topics: Iterable[str], timeout_seconds: float = _TIMEOUT_SECONDS
) -> Offsets:
    """The offset of the oldest record kept of every partition of ``topics``. Raises :class:`KafkaError`."""
    return _offsets(connection, topics, OffsetSpec.earliest(), timeout_seconds)  # type: ignore[no-untyped-call]


def end_offsets(
    connection: KafkaConnection, topics: Iterable[str], timeout_seconds: float = _TIMEOUT_SECONDS
) -> Offsets:
    """The offset of the next record to come of every partition of ``topics``. Raises :class:`KafkaError`."""
    return _offsets(connection, topics, OffsetSpec.latest(), timeout_seconds)  # type: ignore[no-untyped-call]


class AdminConnection:
    """An admin client with what is needed to explain its failures."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.where = connection.bootstrap_servers
        self.errors = ClientErrors()
        config: dict[str, Any] = {**connection.admin_config(), "error_cb": self.errors}
        with translated("Opening an admin client", self.where, options=connection.options.names()):
            self.admin = AdminClient(config, logger=CLIENT_LOGGER)


def cluster_metadata(client: AdminConnection, doing: str, timeout_seconds: float) -> ClusterMetadata:
    """Brokers and topics; ``doing`` begins the message of an error."""
    with translated(doing, client.where, client.errors):
        try:
            return client.admin.list_topics(timeout=timeout_seconds)
        except confluent_kafka.KafkaException:
            client.admin.poll(0)  # brings the background errors, which say why
            raise


def _new_topic(name: str, spec: TopicSpec) -> NewTopic:
    return NewTopic(
        name,
        num_partitions=spec.partitions,
        replication_factor=spec.replication_factor or -1,
        config=dict(spec.config),
    )


def _created(where: str, missing: Mapping[str, TopicSpec], asked: Mapping[str, Future[Any]]) -> list[str]:
    created, refused = [], {}
    for name, future in asked.items():
        try:
            future.result()
        except confluent_kafka.KafkaException as error:
            cause = error.args[0]
            if cause.code() in _NOT_OURS_TO_MAKE:
                refused[name] = cause
            elif cause.code() != confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS:  # then another process was faster
                raise failure(f"Creating topic {name!r}", where, cause) from error
        else:
            created.append(name)
    if refused:
        commands = "\n".join(f"  {missing[name].create_command(where, name)}" for name in refused)
        cause = next(iter(refused.values()))
        raise KafkaError(
            f"Creating topics {', '.join(refused)} was refused at {where}: {cause.str()} ({cause.name()}). Give the "
            "user the right to create topics, or let somebody who has it run:\n"
            f"{commands}\nThen `paywarden topics --check` says whether they are as wanted."
        )
    return created


def _wait_for_leaders(client: AdminConnection, topics: Iterable[str], timeout_seconds: float) -> None:
    """The broker learns of a new topic a moment after the controller has made it."""
    deadline = time.monotonic() + timeout_seconds
    waiting = set(topics)
    while waiting:
        known = cluster_metadata(client, "Listing the topics", timeout_seconds).topics
        waiting = {name for name in waiting if name not in known or not _led(known[name])}
        if waiting and time.monotonic() > deadline:
            raise KafkaError(
                f"Topics {sorted(waiting)} have partitions without a leader at {client.where} after "
                f"{timeout_seconds:.0f} s. Are all brokers up?"
            )
        time.sleep(0.05 if waiting else 0)


def _led(topic: TopicMetadata) -> bool:
    return bool(topic.partitions) and all(partition.leader >= 0 for partition in topic.partitions.values())


def _partitions(client: AdminConnection, topics: Iterable[str], timeout_seconds: float) -> dict[str, tuple[int, ...]]:
    known = cluster_metadata(client, "Listing the topics", timeout_seconds).topics
    wanted = list(topics)
    missing = [topic for topic in wanted if topic not in known]
    if missing:
        raise KafkaError(
            f"Topics {missing} do not exist at {client.where}. Create them with `paywarden topics`, "
            "or check kafka.topics."
        )
    return {topic: tuple(sorted(known[topic].partitions)) for topic in wanted}


def _offsets(connection: KafkaConnection, topics: Iterable[str], which: OffsetSpec, timeout_seconds: float) -> Offsets:
    client = AdminConnection(connection)
    deadline = time.monotonic() + timeout_seconds
    partitions = _partitions(client, topics, timeout_seconds)
    request = {TopicPartition(topic, number): which for topic, numbers in partitions.items() for number in numbers}
    with translated(f"Asking for the offsets of {list(partitions)}", client.where, client.errors):
        while True:
            try:
                return _answers(client, request, {topic: {} for topic in partitions}, timeout_seconds)
            except confluent_kafka.KafkaException as error:  # waiting is what the loop is for
                if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


def _answers(
    client: AdminConnection, request: Mapping[TopicPartition, OffsetSpec], offsets: Offsets, timeout_seconds: float
) -> Offsets:
    answers = client.admin.list_offsets(dict(request), request_timeout=timeout_seconds) if request else {}
    for where, future in answers.items():
        offsets[where.topic][where.partition] = future.result().offset
    return offsets
