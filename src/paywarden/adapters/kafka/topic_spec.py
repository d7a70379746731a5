"""A topic as it is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TopicSpec:
    """A topic as wanted. ``replication_factor`` None is the cluster's default; ``config`` has Kafka's own names."""

    partitions: int
    replication_factor: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)

    def create_command(self, where: str, name: str) -> str:
        """The command with which somebody who may make topics makes this one."""
        replicas = "" if self.replication_factor is None else f" --replication-factor {self.replication_factor}"
        config = "".join(f" --config {key}={value}" for key, value in self.config.items())
        return (
            f"kafka-topics.sh --bootstrap-server {where} --create --topic {name} --partitions {self.partitions}"
            f"{replicas}{config}"
        )
