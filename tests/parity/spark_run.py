"""The real stream over a fixed history: Spark's own steps on given micro-batches, without Kafka between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyspark.sql.functions as sf
from pyspark.sql import SparkSession

from paywarden.adapters.spark.decide_step import OUTPUT_DDL, DecideStep, OutputTopics
from paywarden.adapters.spark.entity_step import EntityStep
from paywarden.adapters.spark.parse_step import ParseStep
from paywarden.adapters.spark.rows import DEAD, PARCEL_DDL, besides, from_parcels, unpack
from paywarden.adapters.spark.stream import FoldAndDecide
from paywarden.adapters.spark.tally import new_tally
from paywarden.adapters.state.lmdb_store import open_lmdb
from paywarden.events.currency import CurrencyTable
from paywarden.events.decision import decode_decisions
from paywarden.events.encoding import encode_labels, encode_transactions
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.events.schema import EventSchema
from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.events import Kind
from paywarden.features.manifest import BatchManifest, batch_numbers
from paywarden.features.state import OpenStore
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.rules.rule_book import RuleBook

TRANSACTIONS, LABELS = "transactions", "labels"


def kafka_records(transactions: pa.Table, labels: pa.Table, schema: EventSchema) -> pa.Table:
    """Canonical tables with coordinates, as the records that Kafka would hold."""
    coordinates = ["topic", "partition", "offset"]
    both = pa.concat_tables([transactions.select(coordinates), labels.select(coordinates)])
    values = encode_transactions(transactions, schema) + encode_labels(labels, schema)
    keys = [*transactions["routing_key"].to_pylist(), *labels["routing_key"].to_pylist()]
    return pa.table(
        {
            "key": pa.array([key.encode() for key in keys], pa.binary()),
            "value": pa.array(values, pa.binary()),
            **{name: both[name] for name in coordinates},
            "timestamp": pa.array(np.zeros(len(keys), np.int64)),
        }
    )


def run_stream(
    session: SparkSession,
    records: pa.Table,
    manifests: Sequence[BatchManifest],
    catalogue: Catalogue,
    schema: EventSchema,
    store_path: Path,
    shards: int,
    attempts: int = 1,
) -> pa.Table:
    """Every live row after the last step, over all batches; of ``attempts`` at each batch the last one counts."""
    recipe = open_lmdb(store_path, shards)
    store, engine = recipe(), Engine(catalogue)
    lease = store.acquire("parity", engine.digest)
    parse = ParseStep(schema, CurrencyTable("EUR"), DEFAULT_LIMITS, LABELS, shards, catalogue.inputs)
    numbers = batch_numbers(records, manifests)
    results = []
    for manifest in sorted(manifests, key=lambda m: m.batch):
        frame = session.createDataFrame(records.filter(pa.array(numbers == manifest.batch)))
        for _ in range(attempts):
            store.begin_batch(lease, manifest.tag)
            rows = frame.repartition(3).mapInArrow(parse, PARCEL_DDL)
            for each in catalogue.steps:
                step = EntityStep(catalogue, each, recipe, shards, lease, manifest.tag)
                rows = rows.repartitionById(shards, sf.col("shard")).mapInArrow(step, PARCEL_DDL)
            result = from_parcels(rows.toArrow().to_batches(), parse.rows.arrow)
        results.append(result)
    store.close()
    return pa.concat_tables(results)


def decide_batch(
    session: SparkSession,
    records: pa.Table,
    manifest: BatchManifest,
    bundle: ModelBundle,
    book: RuleBook,
    schema: EventSchema,
    recipe: OpenStore,
    shards: int,
) -> tuple[pa.Table, list[bytes]]:
    """The stream's decisions on a batch, as they are on the topic, by a bundle under lists and rules; its alerts."""
    catalogue, store = bundle.catalogue, recipe()
    lease = store.acquire("parity", bundle.state_layout_digest)
    store.begin_batch(lease, manifest.tag)
    columns = besides(book, catalogue.inputs, schema)
    parse = ParseStep(schema, CurrencyTable("EUR"), DEFAULT_LIMITS, LABELS, shards, catalogue.inputs, columns)
    rows = session.createDataFrame(records).repartition(3).mapInArrow(parse, PARCEL_DDL)
    steps = [EntityStep(catalogue, each, recipe, shards, lease, manifest.tag, columns) for each in catalogue.steps]
    for step in steps[:-1]:
        rows = rows.repartitionById(shards, sf.col("shard")).mapInArrow(step, PARCEL_DDL)
    files, rules = bundle.to_files(), book.content
    topics = OutputTopics("predictions", "alerts", "outcomes", "dead_letters")
    decide = DecideStep(catalogue, lambda: files, manifest, topics, lambda: 5, None, lambda: rules)
    last = FoldAndDecide(steps[-1], decide, new_tally(session.sparkContext))
    made = rows.repartitionById(shards, sf.col("shard")).mapInArrow(last, OUTPUT_DDL).toArrow()
    store.close()
    decisions, alerts = (made.filter(pa.compute.equal(made["topic"], t))["value"] for t in ("predictions", "alerts"))
    return decode_decisions(decisions.to_pylist(), schema), alerts.to_pylist()


def by_place(result: pa.Table, kind: Kind) -> dict[tuple[int, int], tuple[int, bytes]]:
    """(partition, offset) → (verdict, bytes of the vector) of one kind of event."""
    rows = result.filter(pa.compute.equal(result["kind"], int(kind)))
    assert not pa.compute.any(pa.compute.equal(result["kind"], DEAD)).as_py()
    vectors = unpack(rows["features"], rows.num_rows)
    places = zip(rows["partition"].to_pylist(), rows["offset"].to_pylist(), strict=True)
    verdicts = rows["verdict"].to_pylist()
    return {place: (verdict, row.tobytes()) for place, verdict, row in zip(places, verdicts, vectors, strict=True)}
