"""The replay on Spark's own tasks against the one in this process, bit for bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.parity import streams

from paywarden.adapters.spark.replay import SparkReplay
from paywarden.adapters.spark.session import spark_session
from paywarden.features.catalogue import Catalogue
from paywarden.features.replay import replay
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.features.windows import DAY_MS
from paywarden.jobs.training_data import History, replayed_dataset


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
