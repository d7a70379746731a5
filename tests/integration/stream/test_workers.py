"""A payment after minutes without any finds the Python workers that decided the last one."""

import os
import time

import pyarrow as pa
import pytest

from paywarden.adapters.spark.session import spark_session
from paywarden.adapters.spark.warm_up import workers_kept

QUIET_SECONDS = 85
"""Spark looks for idle workers every ten seconds, and ends those of which nothing was asked for a minute."""


@pytest.fixture
def spark():
    session = spark_session("workers", [], master="local[2]")
    yield session
    session.stop()


def _workers(spark):
    """The numbers of the processes that two tasks at a time run in."""

    def number(batches):
        for _ in batches:
            time.sleep(0.5)
        yield pa.record_batch({"worker": pa.array([os.getpid()], pa.int64())})

    return {row.worker for row in spark.range(0, 2, 1, 2).mapInArrow(number, "worker long").collect()}


@pytest.mark.slow
def test_workers_outlive_a_quiet_minute(spark):
    before = _workers(spark)
    with workers_kept(spark, lambda: QUIET_SECONDS):
        time.sleep(QUIET_SECONDS)
    assert _workers(spark) == before
    time.sleep(QUIET_SECONDS)
    assert not _workers(spark) & before  # what is not asked for anything is ended: Spark still does so
