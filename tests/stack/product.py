"""What the platform has done, seen from outside through its published ports."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

from pyarrow.fs import FileSelector, S3FileSystem

from paywarden import wiring
from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.cli.local_platform import dead_letter_origins
from paywarden.events.cases import ANALYST
from paywarden.events.decision import decode_decisions, decode_outcomes
from paywarden.features.manifest import BatchManifest
from paywarden.jobs.account import Account, account
from paywarden.settings import ENVIRONMENT_PREFIX, Settings, load_settings
from stack import Stack, StackError


class Product:
    """Kafka, lake, registry and bucket of a stack."""

    def __init__(self, stack: Stack) -> None:
        for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
            del os.environ[name]
        keys = {"AWS_ACCESS_KEY_ID": stack.variables["S3_ACCESS_KEY"]}
        keys["AWS_SECRET_ACCESS_KEY"] = stack.variables["S3_SECRET_KEY"]
        endpoint = f"http://127.0.0.1:{stack.port('S3')}"
        self.settings: Settings = load_settings(
            kafka={"bootstrap_servers": f"127.0.0.1:{stack.port('KAFKA')}"},
            lake={
                "path": "s3://paywarden/lake",
                "storage_options": {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", **keys},
            },
            mlflow={"tracking_uri": f"http://127.0.0.1:{stack.port('MLFLOW')}"},
        )
        self._bucket = S3FileSystem(
            access_key=keys["AWS_ACCESS_KEY_ID"],
            secret_key=keys["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=endpoint.removeprefix("http://"),
            scheme="http",
            region="us-east-1",
        )

    @property
    def registry(self) -> MlflowRegistry:
        """The registry."""
        return wiring.registry(self.settings)

    def objects(self, bucket: str) -> list[str]:
        """The keys of all objects of a bucket."""
        found = self._bucket.get_file_info(FileSelector(bucket, recursive=True))
        return [info.path for info in found if info.is_file]

    def rows(self, topic: str) -> int:
        """How many rows the lake has of a topic; 0 before its table is there."""
        lake = wiring.lake(self.settings)
        return lake.read(topic).num_rows if lake.exists(topic) else 0

    def sent(self, topic: str) -> int:
        """How many records a topic has had."""
        return sum(wiring.kafka_source(self.settings).end_offsets([topic])[topic].values())

    def versions_served(self, since: int = 0) -> list[str]:
        """The model versions on the predictions, in their order, from the n-th on."""
        values = wiring.kafka_source(self.settings).read_all(self.settings.kafka.topics.predictions)["value"]
        return [json.loads(value)["bundle_version"] for value in values.to_pylist()[since:]]

    def decided(self) -> set[str]:
        """The ids of all decisions on the predictions."""
        values = wiring.kafka_source(self.settings).read_all(self.settings.kafka.topics.predictions)["value"]
        return {json.loads(value)["decision_id"] for value in values.to_pylist()}

    def judged_since(self, at: int) -> set[str]:
        """The payments that an analyst has labelled since a moment (epoch ms); the simulated ones live earlier."""
        values = wiring.kafka_source(self.settings).read_all(self.settings.kafka.topics.labels)["value"]
        labels = map(json.loads, values.to_pylist())
        return {
            label["transaction_id"] for label in labels if label["source"] == ANALYST and label["labelled_at"] >= at
        }

    def account(self) -> Account:
        """What became of every input offset that the stream planned."""
        topics, source = self.settings.kafka.topics, wiring.kafka_source(self.settings, headers=True)
        manifests = source.read_all(topics.manifests)["value"].to_pylist()
        return account(
            list({m.tag: m for m in map(_manifest, manifests)}.values()),
            decode_decisions(
                source.read_all(topics.predictions)["value"].to_pylist(), wiring.event_schema(self.settings)
            ),
            decode_outcomes(source.read_all(topics.outcomes)["value"].to_pylist()),
            dead_letter_origins(source.read_all(topics.dead_letters)),
        )


def _manifest(value: bytes) -> BatchManifest:
    return BatchManifest.from_json(value.decode())


def wait_until(what: str, seconds: float, holds: Callable[[], bool]) -> float:
    """The seconds until something held. Raises StackError where it does not in time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if holds():
            return time.monotonic() - began
        time.sleep(2)
    raise StackError(f"waited {seconds:.0f} s for {what}")
