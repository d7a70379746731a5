"""A new model is loaded, scored and explained once in the Python workers, before a micro-batch is decided by it.

The job runs beside the batches of the model that still serves. Its tasks are as many as the workers that a batch
uses, and Spark takes idle workers in turn, so that each of them gets one; a worker that is missed loads the model in
its first batch, as it would have anyway.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyspark import Broadcast
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from paywarden.adapters.spark.fold import engine_of
from paywarden.adapters.spark.task_errors import translated
from paywarden.errors import BundleError
from paywarden.features.catalogue import Catalogue
from paywarden.scoring.proof import prove
from paywarden.scoring.scorer import cached_scorer


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
    tasks = session.sparkContext.defaultParallelism
    try:
        rows = session.range(0, tasks, 1, tasks).mapInArrow(WarmUp(catalogue, shared), "worker long").collect()
    except PySparkException as error:
        raise BundleError(f"the model cannot score in a worker: {translated(error)}") from error
    finally:
        shared.unpersist()
    return len({row.worker for row in rows})
