"""Python workers that are ready when a payment comes.

A new model is loaded, scored and explained once in each of them, before a micro-batch is decided by it. The job runs
beside the batches of the model that still serves. Its tasks are as many as the workers that a batch uses, and Spark
takes idle workers in turn, so that each of them gets one; a worker that is missed loads the model in its first batch,
as it would have anyway. And while no payment comes, the workers are kept.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
from pyspark import Broadcast
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession

from paywarden.adapters.spark.fold import engine_of
from paywarden.adapters.spark.task_errors import translated
from paywarden.errors import BundleError
from paywarden.features.catalogue import Catalogue
from paywarden.scoring.proof import prove
from paywarden.scoring.scorer import cached_scorer

_TOUCH_SECONDS = 20.0
"""Spark ends Python workers of which it has asked nothing for a minute; no setting says otherwise."""


@dataclass(frozen=True)
class WarmUp:
    """Makes a model ready in the worker that runs it, for ``mapInArrow``; gives the worker's process id."""

    catalogue: Catalogue
    files: Broadcast[dict[str, bytes]]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One row."""
        for _ in batches:
            pass
        engine_of(self.catalogue)
        prove(cached_scorer(self.files.value))
        yield pa.record_batch({"worker": pa.array([os.getpid()], pa.int64())})


def warm_up(session: SparkSession, files: Mapping[str, bytes], catalogue: Catalogue) -> int:
    """How many workers have the bundle of these files ready. Raises BundleError where one could not score by it."""
    shared = session.sparkContext.broadcast(dict(files))
    try:
        rows = _in_workers(session, WarmUp(catalogue, shared))
    except PySparkException as error:
        raise BundleError(f"the model cannot score in a worker: {translated(error)}") from error
    finally:
        shared.unpersist()
    return len({row.worker for row in rows})


@contextmanager
def workers_kept(session: SparkSession, idle_seconds: Callable[[], float]) -> Iterator[None]:
    """Within the block, Python workers outlive the time in which no batch runs: they are asked for nothing at all.

    Without this the first payment after a quiet minute waits until Python, the libraries and the model are loaded
    again. ``idle_seconds`` says how long no batch has been under way.
    """
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(_TOUCH_SECONDS):
            if idle_seconds() >= _TOUCH_SECONDS:
                try:
                    _in_workers(session, _nothing)
                except Exception:  # noqa: BLE001  # Spark has ended, of which the stream itself will tell
                    return

    thread = threading.Thread(target=keep, name="workers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _in_workers(
    session: SparkSession, function: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
) -> list[Row]:
    """What a function gives in as many tasks as a batch has workers."""
    tasks = session.sparkContext.defaultParallelism
    return session.range(0, tasks, 1, tasks).mapInArrow(function, "worker long").collect()


def _nothing(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for _ in batches:
        pass
    yield pa.record_batch({"worker": pa.array([], pa.int64())})
