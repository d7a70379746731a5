"""The replay on Spark's own tasks against the one in this process, bit for bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from tests.parity import streams

from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.adapters.spark.replay import SparkReplay
from paywarden.adapters.spark.session import spark_session
from paywarden.features.catalogue import Catalogue
from paywarden.features.replay import replay
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.features.windows import DAY_MS
from paywarden.jobs.archive import REJECT_COLUMNS
from paywarden.jobs.training_data import History, read_history, replayed_dataset


@pytest.fixture(scope="module")
def spark():
    # Seven parcels an Arrow batch: a task gathers its shard from several of them.
    session = spark_session(
        "replay", [], master="local[2]", options={"spark.sql.execution.arrow.maxRecordsPerBatch": "7"}
    )
    yield session
    session.stop()


@pytest.mark.parametrize("catalogue", [full_catalogue(streams.SCHEMA), core_catalogue(), Catalogue((), ())])
@pytest.mark.parametrize("shards", [1, 5])
def test_the_frame_is_that_of_the_replay_in_process(spark, catalogue, shards, monkeypatch):
    monkeypatch.setattr("paywarden.adapters.spark.replay._ROWS_AT_ONCE", 50)
    stream = streams.random_stream(21, transactions=300, cards=12, merchants=8)
    expected = replay(stream.transactions, stream.labels, catalogue)
    found = SparkReplay(spark, shards)(stream.transactions, stream.labels, catalogue)
    assert np.array_equal(found.verdicts, expected.verdicts)
    assert np.array_equal(found.features.view(np.int32), expected.features.view(np.int32))


def test_a_data_set_may_be_replayed_on_spark(spark):
    stream = streams.random_stream(22, transactions=200)
    history, catalogue = History(stream.transactions, stream.labels, {}), core_catalogue()
    found = replayed_dataset(history, catalogue, DAY_MS, replayer=SparkReplay(spark))
    expected = replayed_dataset(history, catalogue, DAY_MS)
    assert np.array_equal(found.features, expected.features, equal_nan=True)
    assert found.transaction_ids.equals(expected.transaction_ids)
    without_labels = dataclasses.replace(history, labels=stream.labels.slice(0, 0))
    assert len(replayed_dataset(without_labels, catalogue, DAY_MS, replayer=SparkReplay(spark))) == len(expected)


@pytest.fixture
def lake(tmp_path):
    return DeltaLake(str(tmp_path / "lake"))


def archived(table, rejected):
    """A typed table as the archive leaves it, with rejected rows at the end."""
    for name in REJECT_COLUMNS:
        table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    nothing = dict.fromkeys(table.column_names)
    rows = [nothing | {"partition": 0, "offset": 10**7 + i, "reject_reason": "empty"} for i in range(rejected)]
    return pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)])


def test_executors_may_read_the_lakes_files_themselves(spark, lake):
    """Of several commits, in files of no particular order, with rejects among them."""
    stream, catalogue = (
        streams.produced(streams.random_stream(23, transactions=300), 24),
        full_catalogue(streams.SCHEMA),
    )
    for topic, table in (("transactions", stream.transactions), ("labels", stream.labels)):
        known = dict.fromkeys(range(3))
        for start in range(0, table.num_rows, 100):
            reached = {p: start + p for p in range(3)}
            lake.append(topic, archived(table.slice(start, 100), 2), known, reached)
            known = reached
    history = read_history(lake, "transactions", "labels")
    expected = replay(history.transactions, history.labels, catalogue)
    files = [DeltaTable(f"{lake.root}/{topic}").file_uris() for topic in ("transactions", "labels")]
    frame = SparkReplay(spark, 3).replay_files(*files, catalogue).toArrow()
    frame = frame.sort_by([("partition", "ascending"), ("offset", "ascending")])
    assert frame["offset"].to_pylist() == history.transactions["offset"].to_pylist()
    assert frame["verdict"].to_pylist() == expected.verdicts.tolist()
    found = np.frombuffer(b"".join(frame["features"].to_pylist()), np.int32).reshape(expected.features.shape)
    assert np.array_equal(found, expected.features.view(np.int32))
