"""The online states: found, built, listed, dropped; and the models and manifests that go with them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from paywarden.adapters.kafka.consumer import RECORD_SCHEMA
from paywarden.adapters.local.manifest_files import ManifestFiles
from paywarden.adapters.state.lmdb_epochs import LmdbEpochs
from paywarden.adapters.state.redis_epochs import RedisEpochs
from paywarden.errors import ConfigurationError
from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.manifest import OffsetRange
from paywarden.jobs.archive import valid_rows
from paywarden.jobs.catch_up import ReadEvents
from paywarden.jobs.epochs import StateEpochs, ends_of, starts_of
from paywarden.jobs.serving import ServingModels, fit_engine
from paywarden.jobs.state_build import Built, build_state, cut, ranges_of
from paywarden.jobs.state_list import ListedState, drop_state, list_states
from paywarden.jobs.stream_identity import StreamIdentity, owner_of
from paywarden.jobs.training_data import read_history
from paywarden.settings import Settings
from paywarden.wiring.declarations import event_schema
from paywarden.wiring.kafka_clients import kafka_source
from paywarden.wiring.storage import archive_columns, lake
from paywarden.wiring.training import registry


def state_epochs(settings: Settings) -> StateEpochs:
    """The online states of all layouts."""
    state = settings.state
    if state.backend == "lmdb":
        return LmdbEpochs(state.path, state.shards)
    if state.redis_url is None:
        raise ConfigurationError(
            "state.backend is redis, but state.redis_url is not set; set it to redis://host:port/0"
        )
    return RedisEpochs(state.redis_url.get_secret_value(), "paywarden", state.shards)


def manifests(settings: Settings) -> ManifestFiles:
    """The stream's manifests."""
    return ManifestFiles(settings.stream.manifests)


def stream_directory(settings: Settings) -> Path:
    """Where the stream keeps its checkpoint, identity and bundles."""
    return settings.stream.directory


def identity_path(settings: Settings) -> Path:
    """Where that is kept."""
    return stream_directory(settings) / "identity.json"


def identity_of(settings: Settings) -> StreamIdentity | None:
    """Who the stream is, or None before its first start."""
    return StreamIdentity.load(identity_path(settings))


def serving_models(settings: Settings, warn: Callable[[str], None]) -> ServingModels:
    """The champion and every model that a manifest names, kept beside the stream's checkpoint."""
    return ServingModels(
        registry(settings),
        event_schema(settings),
        stream_directory(settings) / "bundles",
        warn,
        shadow=settings.stream.shadow,
    )


def events_between(settings: Settings) -> ReadEvents:
    """The valid transactions and labels between Kafka offsets, as the lake would hold them."""
    topics, columns, source = settings.kafka.topics, archive_columns(settings), kafka_source(settings)

    def read(topic: str, ranges: Sequence[OffsetRange]) -> pa.Table:
        spans = [span for span in ranges if span.topic == topic]
        start, end = starts_of(spans), ends_of(spans)
        found = list(source.read(start, end)) if start != end else []
        # Cut to the ranges: a partition that was added to the topic just now is in none of them.
        return cut(
            valid_rows(columns[topic](pa.concat_tables([RECORD_SCHEMA.empty_table(), *found]))), end.get(topic, {})
        )

    return lambda ranges: (read(topics.transactions, ranges), read(topics.labels, ranges))


def build_online_state(
    settings: Settings,
    features: Catalogue,
    *,
    owner: str | None = None,
    takeover: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> Built:
    """The online state of a catalogue, made from the lake as a new stream epoch, beside those of other layouts.

    ``owner`` is whose lease it is built under; by default somebody's who is nobody else.
    """
    topics, stored = settings.kafka.topics, lake(settings)
    # Before the rows: what an archive adds meanwhile is beyond these offsets, and left to the stream.
    ends = {t: stored.next_offsets(t, settings.kafka.partitions) for t in (topics.transactions, topics.labels)}
    history = read_history(stored, topics.transactions, topics.labels)
    history = replace(
        history,
        transactions=cut(history.transactions, ends[topics.transactions]),
        labels=cut(history.labels, ends[topics.labels]),
    )
    return build_state(
        state_epochs(settings),
        manifests(settings),
        Engine(features),
        history,
        ranges_of(ends),
        owner or uuid.uuid4().hex,
        takeover=takeover,
        say=say,
    )


def build_missing_state(settings: Settings, warn: Callable[[str], None], say: Callable[[str], None]) -> None:
    """Build what a new stream would begin on, where it is missing and the lake holds transactions.

    The lease is the stream's own: killed half-way, the next start builds again.
    """
    if identity_of(settings) is not None or not lake(settings).exists(settings.kafka.topics.transactions):
        return
    engine = serving_models(settings, warn).champion().engine
    if any(state.layout == engine.digest and not state.problem for state in list_online_states(settings)):
        return
    say("building the online state from the lake")
    build_online_state(settings, engine.catalogue, owner=owner_of(identity_path(settings)), say=say)


def catalogue_of_model(settings: Settings, reference: str) -> Catalogue:
    """The catalogue that a registered version, or the one under an alias, carries."""
    return fit_engine(registry(settings).get(reference), event_schema(settings)).catalogue


def list_online_states(settings: Settings) -> list[ListedState]:
    """Every online state, the live one first."""
    return list_states(state_epochs(settings), manifests(settings), identity_of(settings))


def drop_online_state(settings: Settings, layout: str, *, takeover: bool = False) -> str:
    """Remove the online state whose layout begins so; its layout."""
    return drop_state(state_epochs(settings), identity_of(settings), layout, uuid.uuid4().hex, takeover=takeover)
