"""Topics held against how they are wanted. Only reads, and may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import confluent_kafka
from confluent_kafka.admin import ConfigResource, ResourceType, TopicMetadata  # type: ignore[attr-defined]

from paywarden.adapters.kafka.admin import AdminConnection, cluster_metadata
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.failure import failure
from paywarden.adapters.kafka.topic_spec import TopicSpec

_TIMEOUT_SECONDS = 10.0
_Code = confluent_kafka.KafkaError
_NOT_OURS_TO_SEE = frozenset({_Code.TOPIC_AUTHORIZATION_FAILED, _Code.CLUSTER_AUTHORIZATION_FAILED})


@dataclass(frozen=True)
class Difference:
    """What of a topic is not as wanted, in words, and what to do: a command, where there is one."""

    topic: str
    said: str
    remedy: str


def differences(
    connection: KafkaConnection, wanted: Mapping[str, TopicSpec], *, timeout_seconds: float = _TIMEOUT_SECONDS
) -> list[Difference]:
    """What differs from what is wanted, topic by topic; empty where all is well. Raises :class:`KafkaError`."""
    client = AdminConnection(connection)
    existing = cluster_metadata(client, "Listing the topics", timeout_seconds).topics
    configs = _configs(client, [name for name in wanted if name in existing], timeout_seconds)
    found: list[Difference] = []
    for name, spec in wanted.items():
        if name not in existing:
            found.append(Difference(name, "does not exist", spec.create_command(client.where, name)))
            continue
        found += _shape_differences(client.where, name, spec, existing[name])
        found += _config_differences(client.where, name, spec, configs[name])
    return found


def _configs(client: AdminConnection, names: Sequence[str], timeout_seconds: float) -> dict[str, dict[str, str] | None]:
    """Topic → its configuration in force; None where the user may not see it."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = client.admin.describe_configs(resources, request_timeout=timeout_seconds) if resources else {}
    found: dict[str, dict[str, str] | None] = {}
    for resource, future in answers.items():
        try:
            found[resource.name] = {key: str(entry.value) for key, entry in future.result().items()}
        except confluent_kafka.KafkaException as error:
            if error.args[0].code() not in _NOT_OURS_TO_SEE:
                raise failure(f"Describing topic {resource.name!r}", client.where, error.args[0]) from error
            found[resource.name] = None
    return found


def _shape_differences(where: str, name: str, spec: TopicSpec, topic: TopicMetadata) -> list[Difference]:
    held = len(topic.partitions)
    found = []
    if held < spec.partitions:
        command = f"kafka-topics.sh --bootstrap-server {where} --alter --topic {name} --partitions {spec.partitions}"
        found.append(Difference(name, f"has {held} partitions instead of {spec.partitions}", command))
    if held > spec.partitions:
        remedy = f"a topic never loses partitions: set kafka.partitions to {held}, or make the topic anew"
        found.append(Difference(name, f"has {held} partitions instead of {spec.partitions}", remedy))
    replicas = min((len(partition.replicas) for partition in topic.partitions.values()), default=0)
    if spec.replication_factor is not None and replicas != spec.replication_factor:
        said = f"has {replicas} replicas instead of {spec.replication_factor}"
        remedy = "let kafka-reassign-partitions.sh place them, or set kafka.replication_factor to what there is"
        found.append(Difference(name, said, remedy))
    return found


def _config_differences(where: str, name: str, spec: TopicSpec, config: Mapping[str, str] | None) -> list[Difference]:
    if config is None:
        remedy = "give the user DescribeConfigs on the topic to have its retention and compaction checked"
        return [Difference(name, "does not show its configuration to this user", remedy)] if spec.config else []
    wrong = {key: value for key, value in spec.config.items() if config.get(key) != value}
    command = f"kafka-configs.sh --bootstrap-server {where} --alter --entity-type topics --entity-name {name}"
    return [
        Difference(name, f"has {key}={config.get(key)} instead of {value}", f"{command} --add-config {key}={value}")
        for key, value in wrong.items()
    ]
