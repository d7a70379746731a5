"""The lake and files that must be on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from paywarden.adapters.lake.buckets import ensure_buckets
from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.adapters.local.durable import replace_durably
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.jobs.topics import label_columns, raw_columns, transaction_columns
from paywarden.settings import Settings
from paywarden.wiring.declarations import currency_table, event_schema


def lake(settings: Settings) -> DeltaLake:
    """The lake."""
    return DeltaLake(settings.lake.path, _storage_options(settings))


def make_buckets(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    """Make the buckets that are missing at the lake's object store; their names."""
    return ensure_buckets(names, _storage_options(settings))


def _storage_options(settings: Settings) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in settings.lake.storage_options.items()}


def write_privately(path: Path, text: str) -> None:
    """A file with secrets, that only its owner may read."""
    replace_durably(path, text, private=True)


def write_durably(path: Path, text: str) -> None:
    """A file that is on disk once this returns, whole or not at all."""
    replace_durably(path, text)


def archive_columns(settings: Settings) -> dict[str, Callable[[pa.Table], pa.Table]]:
    """What is archived, by topic, and how it is laid out."""
    schema, topics = event_schema(settings), settings.kafka.topics
    return {
        topics.transactions: transaction_columns(schema, currency_table(settings), DEFAULT_LIMITS),
        topics.labels: label_columns(schema, DEFAULT_LIMITS),
        topics.predictions: raw_columns,
        topics.outcomes: raw_columns,
        topics.dead_letters: raw_columns,
        topics.manifests: raw_columns,
    }
