"""A running stream, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from paywarden.adapters.kafka.admin import end_offsets
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.local import ivy
from paywarden.clock import system_clock
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.features.manifest import BatchManifest, BatchOutcome
from paywarden.jobs.catch_up import CatchUp
from paywarden.jobs.checkpoint import mend
from paywarden.jobs.epochs import TopicOffsets
from paywarden.jobs.model_watch import ModelWatch
from paywarden.jobs.serving import ServedModel, proved
from paywarden.jobs.stream import Measure, StreamJob
from paywarden.jobs.stream_identity import begin_stream
from paywarden.settings import Settings
from paywarden.wiring.declarations import currency_table, event_schema
from paywarden.wiring.kafka_clients import kafka, kafka_sink, kafka_source
from paywarden.wiring.online_states import (
    events_between,
    identity_path,
    manifests,
    serving_models,
    state_epochs,
    stream_directory,
)
from paywarden.wiring.stream_rules import stream_rules

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from paywarden.adapters.spark.stream import RunningStream, SparkStream

LagOf = Callable[[BatchManifest], dict[str, int]]
Report = Callable[[BatchManifest, BatchOutcome, float], None]


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
    from paywarden.adapters.spark.session import spark_session
    from paywarden.adapters.spark.warm_up import warm_up, workers_kept

    topics, directory = settings.kafka.topics, stream_directory(settings)
    models, epochs, source = serving_models(settings, warn), state_epochs(settings), kafka_source(settings)
    watch = ModelWatch(models, settings.stream.model_poll_seconds)
    rules = stream_rules(settings, watch.champion, warn, say)

    def earliest() -> TopicOffsets:
        return source.earliest_offsets([topics.transactions, topics.labels])

    path = identity_path(settings)
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
                piece_records=_piece_records(settings),
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
        query = _spark_stream(settings, session).start(identity.starting, job)
        with workers_kept(session, lambda: query.idle_seconds):
            yield query
        query.finish()


def _spark_stream(settings: Settings, session: SparkSession) -> SparkStream:
    """Kafka to Kafka, not started yet."""
    from paywarden.adapters.spark.decide_step import OutputTopics
    from paywarden.adapters.spark.parse_step import ParseStep
    from paywarden.adapters.spark.stream import SparkStream

    topics, schema = settings.kafka.topics, event_schema(settings)
    return SparkStream(
        session=session,
        kafka_options=kafka(settings).spark_options(),
        parse=ParseStep(schema, currency_table(settings), DEFAULT_LIMITS, topics.labels, settings.state.shards),
        transactions_topic=topics.transactions,
        outputs=OutputTopics(topics.predictions, topics.alerts, topics.outcomes, topics.dead_letters),
        checkpoint=stream_directory(settings) / "checkpoint",
        clock=system_clock,
        max_offsets_per_batch=settings.stream.max_offsets_per_batch,
        trigger_seconds=settings.stream.trigger_interval_seconds,
    )


def _piece_records(settings: Settings) -> int:
    """How much is caught up at a time: more than a batch, or it would never get to where the stream is."""
    return 2 * (settings.stream.max_offsets_per_batch or _PIECE_RECORDS)


_OUTAGE_SECONDS = 180.0
"""A broker may be away for so long before a stream gives up: longer than a restart, and than Spark's own patience."""


_PIECE_RECORDS = 100_000
"""Half of what is caught up at a time where batches have no bound."""


class _ManifestPublisher:
    """Sends manifests on their way to the lake, acknowledged before the batch begins."""

    def __init__(self, sink: KafkaEventProducer, topic: str) -> None:
        self._sink = sink
        self._topic = topic

    def __call__(self, manifest: BatchManifest) -> None:
        key = f"{manifest.stream_epoch}".encode()
        self._sink.send_many(self._topic, [key], [manifest.to_json().encode()])
        self._sink.flush()
