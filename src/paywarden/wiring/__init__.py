"""From settings to working parts: the only room that knows both settings and adapters."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from paywarden.adapters.kafka.admin import create_missing, end_offsets
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.consumer import RECORD_SCHEMA
from paywarden.adapters.kafka.consumer import tail as tail_topics
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.kafka.source import KafkaSource
from paywarden.adapters.kafka.topic_check import Difference, differences
from paywarden.adapters.lake.buckets import ensure_buckets
from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.adapters.lake.upkeep import TendedTable, tend
from paywarden.adapters.local import ivy
from paywarden.adapters.local.durable import replace_durably
from paywarden.adapters.local.manifest_files import ManifestFiles
from paywarden.adapters.local.process import ChildProcess
from paywarden.adapters.local.servers import LocalServers
from paywarden.adapters.local.snapshot_files import SnapshotFiles
from paywarden.adapters.mlflow.old_runs import TidiedRuns
from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.adapters.state.lmdb_epochs import LmdbEpochs
from paywarden.adapters.state.redis_epochs import RedisEpochs
from paywarden.clock import system_clock
from paywarden.errors import ConfigurationError, DataError, RegistryError
from paywarden.evaluation.costs import CostMatrix
from paywarden.events.currency import CurrencyTable, DatedRate
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.events.mapped_data import MappedData, read_events
from paywarden.events.mapping import Mapping
from paywarden.events.schema import EventSchema
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue
from paywarden.features.catalogue_file import find_catalogue
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest, BatchOutcome, OffsetRange
from paywarden.features.replay import replay
from paywarden.features.windows import DAY_MS
from paywarden.jobs.archive import valid_rows
from paywarden.jobs.catch_up import CatchUp, ReadEvents
from paywarden.jobs.check_data import DataCheck
from paywarden.jobs.check_data import check_data as data_checked
from paywarden.jobs.checkpoint import mend
from paywarden.jobs.epochs import StateEpochs, TopicOffsets, ends_of, starts_of
from paywarden.jobs.incremental_replay import IncrementalReplay
from paywarden.jobs.judge import Judge
from paywarden.jobs.model_reference import NAME as REFERENCE
from paywarden.jobs.model_reference import read_reference, replayed_reference
from paywarden.jobs.model_watch import ModelWatch
from paywarden.jobs.monitor import HISTORY_DAYS, Monitored, MonitorSettings, Watched, parity_of
from paywarden.jobs.monitor import monitor as monitor_served
from paywarden.jobs.observed import Topics, observe
from paywarden.jobs.parity import Parity
from paywarden.jobs.serving import ServedModel, ServingModels, fit_engine, proved
from paywarden.jobs.state_build import Built, build_state, cut, ranges_of
from paywarden.jobs.state_list import ListedState, drop_state, list_states
from paywarden.jobs.state_sweep import SweptState, sweep_states
from paywarden.jobs.stream import Measure, StreamJob
from paywarden.jobs.stream_identity import StreamIdentity, begin_stream, owner_of
from paywarden.jobs.topics import label_columns, raw_columns, transaction_columns
from paywarden.jobs.training_data import History, Replayer, Versions, read_history
from paywarden.monitoring.arrivals import ArrivalSettings
from paywarden.monitoring.drift import DriftSettings
from paywarden.monitoring.performance import DecaySettings
from paywarden.monitoring.reference import Reference
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.scorer import Scorer
from paywarden.settings import Settings
from paywarden.training.boosters import trainer_of
from paywarden.training.gate import GateSettings
from paywarden.training.imbalance import Resampling
from paywarden.training.thresholds import AlertBudget, ExpectedCost, MinimumPrecision, ThresholdRule
from paywarden.training.trainer import TrainingSettings
from paywarden.training.tuning import TuningSettings
from paywarden.wiring.kafka_clients import kafka_connection, topic_specs
from paywarden.wiring.stream_rules import stream_rules

if TYPE_CHECKING:
    from paywarden.adapters.spark.stream import RunningStream

Servers = LocalServers
Child = ChildProcess
LagOf = Callable[[BatchManifest], dict[str, int]]
Report = Callable[[BatchManifest, BatchOutcome, float], None]


def event_schema(settings: Settings) -> EventSchema:
    """The entities and extras that transactions may bear."""
    events = settings.events
    return EventSchema(
        events.entities, events.extra_numbers, events.extra_categories, events.optional, events.aggregated
    )


def declared(schema: EventSchema) -> dict[str, list[str]]:
    """The events section of settings that declares this schema."""
    return {field.name: list(getattr(schema, field.name)) for field in fields(schema)}


def currency_table(settings: Settings) -> CurrencyTable:
    """The dated conversion into the base currency."""
    rates = {
        code: [DatedRate(_midnight_ms(rate.valid_from), rate.rate) for rate in dated]
        for code, dated in settings.events.rates.items()
    }
    return CurrencyTable(settings.events.base_currency, rates)


def catalogue(settings: Settings) -> Catalogue:
    """The features that new models are trained on, for the declared entities and fields."""
    features = settings.features
    return find_catalogue(features.catalogue, event_schema(settings), Calendar(features.timezone, features.holidays))


def kafka(settings: Settings) -> KafkaConnection:
    """The cluster."""
    return kafka_connection(settings.kafka)


def kafka_source(settings: Settings, *, headers: bool = False) -> KafkaSource:
    """The cluster, read by offsets."""
    return KafkaSource(kafka(settings), headers)


def kafka_sink(settings: Settings, *, patience_seconds: float = 60.0) -> KafkaEventProducer:
    """Acknowledged delivery to the cluster, which is tried for so long."""
    return KafkaEventProducer(kafka(settings), delivery_timeout_ms=int(patience_seconds * 1000))


def make_topics(settings: Settings) -> tuple[str, ...]:
    """Create the topics that are missing; their names."""
    return create_missing(kafka(settings), topic_specs(settings.kafka))


def topic_differences(settings: Settings) -> list[Difference]:
    """What of the topics is not as the settings want it; only looks."""
    return differences(kafka(settings), topic_specs(settings.kafka))


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


def registry(settings: Settings) -> MlflowRegistry:
    """The model registry."""
    return MlflowRegistry(settings.mlflow.tracking_uri, settings.mlflow.experiment, settings.mlflow.model_name)


def cost_matrix(settings: Settings) -> CostMatrix:
    """What decisions cost here."""
    return CostMatrix(**settings.costs.model_dump(exclude={"declines"}))


def threshold_rule(settings: Settings) -> ThresholdRule:
    """What the policy's thresholds are chosen by."""
    policy = settings.policy
    if policy.thresholds == "expected_cost":
        return ExpectedCost(cost_matrix(settings), declines=settings.costs.declines)
    if policy.thresholds == "minimum_precision":
        return MinimumPrecision(policy.review_precision, policy.decline_precision)
    return alert_budget(settings)


def alert_budget(settings: Settings) -> AlertBudget:
    """How many alerts analysts take."""
    return AlertBudget(settings.policy.alerts_per_day, decline_precision=settings.policy.decline_precision)


def training_settings(settings: Settings) -> TrainingSettings:
    """How models are trained here."""
    training = settings.training
    return TrainingSettings(
        booster=trainer_of(
            training.booster, threads=training.threads, device=training.device, **training.hyperparameters
        ),
        categories=training.categories,
        imbalance=training.imbalance,
        strategies=training.strategies,
        resampling=Resampling(training.resampling_ratio),
        tuning=_tuning(settings),
        calibration=training.calibration,
        budget=alert_budget(settings),
        thresholds=threshold_rule(settings),
        costs=cost_matrix(settings),
        cards_a_day=training.cards_a_day,
        compromised_days=training.compromised_days,
        let_through_share=settings.policy.let_through_share,
        seed=training.seed,
    )


def _tuning(settings: Settings) -> TuningSettings | None:
    training = settings.training
    if training.tuning_trials is None and training.tuning_minutes is None:
        return None
    storage = training.tuning_storage.get_secret_value() if training.tuning_storage else None
    return TuningSettings(training.tuning_trials, training.tuning_minutes, storage, training.tuning_folds)


def training_history(settings: Settings, until: Versions | None = None) -> History:
    """Everything in the lake that training reads: transactions, labels, and what was done about the former.

    ``until`` are the data versions of a bundle: then only what it was trained on.
    """
    topics = settings.kafka.topics
    return read_history(lake(settings), topics.transactions, topics.labels, topics.predictions, until)


def judge(settings: Settings, replayer: Replayer, say: Callable[[str], None]) -> Judge:
    """Who judges versions by the gate."""

    def history(until: Versions) -> History:
        return training_history(settings, until)

    return Judge(registry(settings), history, gate_settings(settings), replayer, say=say)


def gate_settings(settings: Settings) -> GateSettings:
    """What a challenger must show here."""
    return GateSettings(**settings.gate.model_dump(), budget=alert_budget(settings), costs=cost_matrix(settings))


@contextmanager
def replayer(settings: Settings, say: Callable[[str], None] = lambda _text: None) -> Iterator[Replayer]:
    """What replays history for training: here, from the last snapshot on if there is one, or on Spark."""
    training = settings.training
    if training.replay == "local":
        yield IncrementalReplay(SnapshotFiles(training.snapshots), say) if training.snapshots else replay
        return
    # As in `stream`: Spark is imported only by what runs it.
    from paywarden.adapters.spark.replay import SparkReplay
    from paywarden.adapters.spark.session import spark_session

    session = spark_session(
        "paywarden-replay", [], master=settings.stream.master, options=settings.stream.spark_options
    )
    try:
        yield SparkReplay(session)
    finally:
        session.stop()


def serving_models(settings: Settings, warn: Callable[[str], None]) -> ServingModels:
    """The champion and every model that a manifest names, kept beside the stream's checkpoint."""
    return ServingModels(
        registry(settings),
        event_schema(settings),
        stream_directory(settings) / "bundles",
        warn,
        shadow=settings.stream.shadow,
    )


def stream_directory(settings: Settings) -> Path:
    """Where the stream keeps its checkpoint, identity and bundles."""
    return settings.stream.directory


def lag_of(settings: Settings) -> LagOf:
    """A function that says how many input records of each topic Kafka holds beyond a manifest."""
    connection = kafka(settings)

    def lag(manifest: BatchManifest) -> dict[str, int]:
        topics = sorted({span.topic for span in manifest.ranges})
        ends, found = end_offsets(connection, topics), dict.fromkeys(topics, 0)
        for span in manifest.ranges:
            found[span.topic] += ends[span.topic][span.partition] - span.end
        return found

    return lag


@contextmanager
def stream(
    settings: Settings,
    report: Report,
    warn: Callable[[str], None],
    say: Callable[[str], None],
    *,
    takeover: bool = False,
    measure: Measure = lambda _sizes: None,
) -> Iterator[RunningStream]:
    """A running stream; leaving the context stops Spark and gives the lease back."""
    # Spark is imported only by what runs it: every other command starts in half the time.
    from paywarden.adapters.spark.checkpoint_files import CheckpointFiles
    from paywarden.adapters.spark.decide_step import OutputTopics
    from paywarden.adapters.spark.parse_step import ParseStep
    from paywarden.adapters.spark.session import spark_session
    from paywarden.adapters.spark.stream import SparkStream
    from paywarden.adapters.spark.warm_up import warm_up

    topics, connection, directory = settings.kafka.topics, kafka(settings), stream_directory(settings)
    models, epochs, source = serving_models(settings, warn), state_epochs(settings), kafka_source(settings)
    watch = ModelWatch(models, settings.stream.model_poll_seconds)
    rules = stream_rules(
        settings.policy.file, settings.stream.manifests, event_schema(settings), watch.champion, warn, say
    )

    def earliest() -> TopicOffsets:
        return source.earliest_offsets([topics.transactions, topics.labels])

    path = _identity_path(settings)
    identity, state = begin_stream(path, epochs, watch.champion, manifests(settings), earliest, takeover=takeover)
    with ExitStack() as cleanup:
        held = cleanup.enter_context(ExitStack())
        held.callback(state.close)
        cleanup.enter_context(watch)  # its first look goes on while Spark starts
        session = spark_session(
            "paywarden",
            ivy.ensure_jars(ivy.SPARK_KAFKA, settings.cache_dir),
            master=settings.stream.master,
            options=settings.stream.spark_options,
        )
        cleanup.callback(session.stop)
        cleanup.callback(watch.end)

        def prepare(served: ServedModel) -> None:
            warm_up(session, served.bundle.to_files(), served.engine.catalogue)
            proved(served)

        models.prepare = prepare
        patient = kafka_sink(settings, patience_seconds=_OUTAGE_SECONDS)
        publish = _ManifestPublisher(cleanup.enter_context(patient), topics.manifests)
        job = StreamJob(
            path,
            identity,
            state,
            manifests=manifests(settings),
            models=watch,
            rules=rules,
            catch_up=CatchUp(
                epochs,
                manifests(settings),
                events_between(settings),
                earliest,
                publish,
                say,
                # More than a batch, or it would never get to where the stream is.
                piece_records=2 * (settings.stream.max_offsets_per_batch or _PIECE_RECORDS),
            ),
            publish=publish,
            report=report,
            warn=warn,
            say=say,
            clock=system_clock,
            measure=measure,
        )
        held.pop_all()
        held.callback(job.close)
        mend(
            CheckpointFiles(directory / "checkpoint"),
            identity.stream_epoch,
            identity.first_batch,
            state.store.current(),
            manifests(settings),
            warn,
        )
        query = SparkStream(
            session=session,
            kafka_options=connection.spark_options(),
            parse=ParseStep(
                event_schema(settings), currency_table(settings), DEFAULT_LIMITS, topics.labels, settings.state.shards
            ),
            transactions_topic=topics.transactions,
            outputs=OutputTopics(topics.predictions, topics.alerts, topics.outcomes, topics.dead_letters),
            checkpoint=directory / "checkpoint",
            clock=system_clock,
            max_offsets_per_batch=settings.stream.max_offsets_per_batch,
            trigger_seconds=settings.stream.trigger_interval_seconds,
        ).start(identity.starting, job)
        yield query
        query.finish()


_OUTAGE_SECONDS = 180.0
"""A broker may be away for so long before a stream gives up: longer than a restart, and than Spark's own patience."""
_PIECE_RECORDS = 100_000
"""Half of what is caught up at a time where batches have no bound."""


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


class _ManifestPublisher:
    """Sends manifests on their way to the lake, acknowledged before the batch begins."""

    def __init__(self, sink: KafkaEventProducer, topic: str) -> None:
        self._sink = sink
        self._topic = topic

    def __call__(self, manifest: BatchManifest) -> None:
        key = f"{manifest.stream_epoch}".encode()
        self._sink.send_many(self._topic, [key], [manifest.to_json().encode()])
        self._sink.flush()


def _midnight_ms(day: object) -> int:
    return int(datetime.fromisoformat(f"{day}").replace(tzinfo=UTC).timestamp() * 1000)


def mapped_data(settings: Settings, file: Path, mapping: str) -> MappedData:
    """A file read through a mapping.

    The settings' currencies are used where they convert any, or where a column names each row's currency.
    """
    key, how = settings.events.token_key, Mapping.load(mapping)
    several = settings.events.rates or how.fields["currency"].value is None
    return read_events(
        file,
        how,
        currencies=currency_table(settings) if several else None,
        token_key=key.get_secret_value().encode() if key else None,
    )


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
    if _identity(settings) is not None or not lake(settings).exists(settings.kafka.topics.transactions):
        return
    engine = serving_models(settings, warn).champion().engine
    if any(state.layout == engine.digest and not state.problem for state in list_online_states(settings)):
        return
    say("building the online state from the lake")
    build_online_state(settings, engine.catalogue, owner=owner_of(_identity_path(settings)), say=say)


def catalogue_of_model(settings: Settings, reference: str) -> Catalogue:
    """The catalogue that a registered version, or the one under an alias, carries."""
    return fit_engine(registry(settings).get(reference), event_schema(settings)).catalogue


def list_online_states(settings: Settings) -> list[ListedState]:
    """Every online state, the live one first."""
    return list_states(state_epochs(settings), manifests(settings), _identity(settings))


def drop_online_state(settings: Settings, layout: str, *, takeover: bool = False) -> str:
    """Remove the online state whose layout begins so; its layout."""
    return drop_state(state_epochs(settings), _identity(settings), layout, uuid.uuid4().hex, takeover=takeover)


def check_data(settings: Settings, *, days: float | None = None, as_of: int | None = None) -> DataCheck:
    """What came into the lake since the last training, held against what came before."""
    models, checks, topics = registry(settings), settings.checks, settings.kafka.topics
    versions, champion = models.list_versions(), models.find_champion()
    return data_checked(
        lake(settings),
        topics.transactions,
        topics.labels,
        models.get(versions[0].version).training if versions else None,
        models.get(champion.version).training if champion else None,
        ArrivalSettings(**checks.model_dump(), drift=drift_settings(settings)),
        label_delay_ms=days_ms(settings.training.label_delay_days),
        days=days,
        as_of=as_of,
    )


def monitor(
    settings: Settings, *, as_of: int | None = None, parity: bool | None = None, say: Callable[[str], None]
) -> tuple[Monitored, pa.Table]:
    """What serves held against what was trained and promised, and the labels that this rests on.

    ``parity`` says whether the history is replayed, by default the settings' ``monitoring.parity``.
    """
    models, topics, wanted = registry(settings), settings.kafka.topics, settings.monitoring
    champion = models.find_champion()
    if champion is None:
        raise RegistryError("No version is champion yet: train and promote one first (`paywarden train`).")
    bundle, stored = models.get(champion.version), lake(settings)
    observed = observe(
        stored,
        Topics(topics.transactions, topics.labels, topics.predictions),
        event_schema(settings),
        max(HISTORY_DAYS, wanted.matured_days) + bundle.training.get("split", {}).get("label_delay_ms", 0) / DAY_MS,
        as_of,
    )
    watched = Watched(champion.version, bundle, _reference(settings, models, champion.version, bundle, say))

    def held() -> Parity | None:
        if not stored.exists(topics.manifests):
            return None
        history = training_history(settings)
        values = stored.read(topics.manifests)["value"].to_pylist()
        found = [BatchManifest.from_json(value) for value in values]
        return parity_of(observed, history.transactions, history.labels, found, _scorer_by_digest(models))

    replays = wanted.parity if parity is None else parity
    found = monitor_served(observed, watched, monitor_settings(settings), held if replays else lambda: None)
    return found, observed.labels


def _reference(
    settings: Settings, models: MlflowRegistry, version: int, bundle: ModelBundle, say: Callable[[str], None]
) -> Reference:
    """The reference that was kept with a version; from a replay where there is none, as of an older Paywarden."""
    try:
        return read_reference(models.document(version, f"report/{REFERENCE}"))
    except (RegistryError, DataError) as error:
        say(f"version {version} has no reference ({error}); its training window is replayed")
    with replayer(settings, say) as how:
        return replayed_reference(training_history(settings), bundle, how)


def _scorer_by_digest(models: MlflowRegistry) -> Callable[[str], Scorer]:
    """A function that gives the model of a bundle's digest, from the registry."""
    numbers = {version.bundle_digest: version.version for version in models.list_versions()}
    known: dict[str, Scorer] = {}

    def scorer(digest: str) -> Scorer:
        if digest not in numbers:
            raise RegistryError(f"No version has the bundle {digest[:12]}, which served; it was deleted.")
        if digest not in known:
            known[digest] = Scorer(models.get(numbers[digest]))
        return known[digest]

    return scorer


def monitor_settings(settings: Settings) -> MonitorSettings:
    """When monitoring speaks up here."""
    wanted = settings.monitoring
    decay = DecaySettings(
        wanted.decay, wanted.level, wanted.calibration_factor, cost_matrix(settings), settings.training.cards_a_day
    )
    return MonitorSettings(wanted.matured_days, drift_settings(settings), decay)


def drift_settings(settings: Settings) -> DriftSettings:
    """When a feature has drifted here."""
    return DriftSettings(settings.monitoring.drift_factor, settings.monitoring.drift_floor)


def maintain_lake(settings: Settings, *, dry_run: bool = False) -> list[TendedTable]:
    """Every table compacted, and rid of what has long been out of use.

    Versions that the models under an alias were trained on stay readable.
    """
    stored, models = lake(settings), registry(settings)
    used = [models.get(model.version).data_versions for model in models.list_versions() if model.aliases]
    return [
        tend(
            stored,
            topic,
            settings.maintenance.lake_days,
            [int(versions[topic]) for versions in used if topic in versions],
            dry_run=dry_run,
        )
        for topic in archive_columns(settings)
        if stored.exists(topic)
    ]


def maintain_runs(settings: Settings, *, dry_run: bool = False) -> TidiedRuns:
    """The experiment rid of old runs that no version needs."""
    return registry(settings).tidy_runs(system_clock() - days_ms(settings.maintenance.run_days), dry_run=dry_run)


def maintain_state(settings: Settings, *, dry_run: bool = False) -> list[SweptState]:
    """Every online state rid of records past their time to live."""
    return sweep_states(state_epochs(settings), dry_run=dry_run)


def _identity(settings: Settings) -> StreamIdentity | None:
    return StreamIdentity.load(_identity_path(settings))


def _identity_path(settings: Settings) -> Path:
    return stream_directory(settings) / "identity.json"


def tail(settings: Settings, topic: str) -> Iterator[pa.Table]:
    """Everything a topic holds and then what comes; an empty table now and then. Never ends by itself."""
    return tail_topics(kafka(settings), [topic], from_end=False)


def local_servers(settings: Settings, directory: Path) -> LocalServers:
    """Kafka and MLflow for this machine, not started yet."""
    return LocalServers(directory, settings.cache_dir)


def command_process(name: str, arguments: list[str], log: Path, environment: dict[str, str]) -> ChildProcess:
    """A `paywarden` command as a child process, not started yet; ``environment`` is added to ours."""
    command = [sys.executable, "-m", "paywarden.cli.app", *arguments]
    return ChildProcess(name, command, log, environment={**os.environ, **environment})


def days_ms(days: float) -> int:
    """Days in milliseconds."""
    return int(days * DAY_MS)
