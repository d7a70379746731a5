"""What `paywarden check` tries: each probe says what it found, or raises a PaywardenError with the remedy.

Like ``wiring`` it knows settings and adapters, and only looks: nothing is made or changed, save for one object that
a round trip puts beside the lake's tables and deletes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from paywarden import wiring
from paywarden.adapters.kafka.admin import ping
from paywarden.adapters.kafka.stack import check_listeners, check_topics
from paywarden.adapters.lake.round_trip import round_trip
from paywarden.adapters.local import compose, ivy, machine
from paywarden.adapters.local.java import require_java
from paywarden.adapters.mlflow.server import check_server, server_clock
from paywarden.adapters.state.stack import check_lmdb, check_redis
from paywarden.clock import system_clock
from paywarden.errors import ConfigurationError, EnvironmentNotReady
from paywarden.settings import Settings
from paywarden.wiring.kafka_clients import topic_specs

Probe = Callable[[Settings], str]

_LEAST_ROOM_GIB: Final = 2.0
_MOST_SKEW_MS: Final = 5_000
"""Validation refuses payments from five minutes ahead; clocks that differ by seconds already reorder events."""


def settings_agree(settings: Settings) -> str:
    """What only shows where settings meet: a training must not be what finds it."""
    wiring.gate_settings(settings)
    return "valid"


def _java(_settings: Settings) -> str:
    return str(require_java())


def _kafka(settings: Settings) -> str:
    return f"{ping(wiring.kafka(settings))} broker(s) at {settings.kafka.bootstrap_servers}"


def _lake(settings: Settings) -> str:
    topics, stored = settings.kafka.topics, wiring.lake(settings)
    found = [topic for topic in (topics.transactions, topics.labels) if stored.exists(topic)]
    return f"{settings.lake.path}: " + (", ".join(found) if found else "empty; `paywarden archive` fills it")


def _state(settings: Settings) -> str:
    found = wiring.state_epochs(settings).layouts()
    where = str(settings.state.path) if settings.state.backend == "lmdb" else "redis"
    if not found:
        return f"{where}: none yet; `paywarden state build` or the stream makes it"
    return f"{where}: {len(found)} state(s), of layout {', '.join(layout[:16] for layout in found)}"


def _registry(settings: Settings) -> str:
    versions = wiring.registry(settings).list_versions()
    return f"{settings.mlflow.tracking_uri}: {len(versions)} version(s) of {settings.mlflow.model_name}"


def _topics(settings: Settings) -> str:
    specs = topic_specs(settings.kafka)
    return check_topics(wiring.kafka(settings), {name: spec.partitions for name, spec in specs.items()})


def _listeners(settings: Settings) -> str:
    return check_listeners(wiring.kafka(settings))


def _storage(settings: Settings) -> str:
    if "://" not in settings.lake.path:
        return machine.check_writable([Path(settings.lake.path)])
    options = {name: value.get_secret_value() for name, value in settings.lake.storage_options.items()}
    return round_trip(settings.lake.path, options, f".paywarden-check-{uuid.uuid4().hex}")


def _state_server(settings: Settings) -> str:
    if settings.state.backend == "lmdb":
        return check_lmdb(settings.state.path)
    if settings.state.redis_url is None:
        raise ConfigurationError("state.backend is redis: set state.redis_url to redis://host:port/0.")
    return check_redis(settings.state.redis_url.get_secret_value())


def _mlflow_server(settings: Settings) -> str:
    return check_server(settings.mlflow.tracking_uri)


def _clock(settings: Settings) -> str:
    theirs = server_clock(settings.mlflow.tracking_uri)
    if theirs is None:
        return "no server to compare with"
    skew = theirs - system_clock()
    if abs(skew) > _MOST_SKEW_MS:
        raise EnvironmentNotReady(
            f"This machine's clock and that of {settings.mlflow.tracking_uri} differ by {abs(skew) / 1000:.0f} s. Set "
            "both by NTP (chrony, systemd-timesyncd); in a virtual machine, restart it after sleep."
        )
    return f"within {abs(skew) / 1000 + 1:.0f} s of {settings.mlflow.tracking_uri}"


def _directories(settings: Settings) -> list[Path]:
    found = [settings.stream.directory, settings.stream.manifests]
    if not settings.cache_dir.exists():  # jars that are there already need no room: images have them read-only
        found.append(settings.cache_dir)
    if settings.state.backend == "lmdb":
        found.append(settings.state.path)
    if "://" not in settings.lake.path:
        found.append(Path(settings.lake.path))
    return [*found, *([settings.training.snapshots] if settings.training.snapshots else [])]


def _room(settings: Settings) -> str:
    return machine.check_room(_directories(settings), _LEAST_ROOM_GIB)


def _writable(settings: Settings) -> str:
    return machine.check_writable(_directories(settings))


def _versions(_settings: Settings) -> str:
    from paywarden.adapters.spark.versions import check_versions  # noqa: PLC0415 -- only this probe needs it

    return check_versions(ivy.SPARK_KAFKA.dependencies, require_java().version)


def _python(settings: Settings) -> str:
    from paywarden.adapters.spark.session import worker_python  # noqa: PLC0415 -- as above
    from paywarden.adapters.spark.versions import check_worker_python  # noqa: PLC0415 -- as above

    return check_worker_python(settings.stream.master, worker_python(settings.stream.master))


PROBES: Final[dict[str, Probe]] = {
    "java": _java,
    "kafka": _kafka,
    "lake": _lake,
    "state": _state,
    "mlflow": _registry,
}
"""What `paywarden check` tries."""

STACK_PROBES: Final[dict[str, Probe]] = {
    "kafka topics": _topics,
    "kafka listeners": _listeners,
    "lake storage": _storage,
    "state server": _state_server,
    "mlflow server": _mlflow_server,
    "clock": _clock,
    "room": _room,
    "directories": _writable,
    "spark versions": _versions,
    "python": _python,
}
"""What `--stack` tries besides: whatever newcomers trip over."""


def docker_probes(directory: Path) -> dict[str, Callable[[], str]]:
    """What is tried of a Compose project in a directory; nothing where there is none, or no docker."""
    if not (directory / "compose.yaml").is_file() or not compose.has_docker():
        return {}
    return {
        "docker .env": lambda: compose.check_env_file(directory),
        "docker engine": compose.check_engine,
        "docker ports": lambda: compose.check_ports(directory),
    }
