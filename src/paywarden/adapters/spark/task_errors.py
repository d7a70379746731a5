"""What a task raised, or what ended the query, as an error of our own."""

from __future__ import annotations

from pathlib import Path

from pyspark.errors import PySparkException

from paywarden.adapters.spark.kafka_failure import kafka_failure
from paywarden.errors import (
    BundleError,
    ContractMismatch,
    Fenced,
    PaywardenError,
    StaleWriter,
    StateStoreError,
    StreamError,
)

_FULL = ("No space left on device", "Disk quota exceeded")
_CONCURRENT = ("Concurrent update to the log", "CONCURRENT_STREAM_LOG_UPDATE")
_KINDS = (Fenced, StaleWriter, StateStoreError, ContractMismatch, BundleError)


def translated(error: PySparkException) -> PaywardenError:
    """Our own error where a task raised one (its name is in the worker's traceback), else what Spark said."""
    text = str(error)
    for kind in _KINDS:
        marker = f"paywarden.errors.{kind.__name__}: "
        if marker in text:
            return kind(text.split(marker, 1)[1].splitlines()[0])
    return StreamError(f"Spark could not run the batch: {_told(text)}")


def ended(said: str, checkpoint: Path) -> StreamError:
    """Why Spark ended the query by itself, from its own words."""
    if any(words in said for words in _FULL):
        return StreamError(
            f"no space is left for the checkpoint at {checkpoint}: free some and start the stream again. The batch "
            "under way is repeated then under its manifest; nothing is lost"
        )
    if any(words in said for words in _CONCURRENT):
        return StreamError(
            f"another stream runs on the checkpoint at {checkpoint}, so this one has stopped; let one of the two run"
        )
    return StreamError(f"the stream ended: {_told(said)}")


def _told(said: str) -> str:
    """What went wrong with Kafka, and the remedy; for anything else, Spark's own first line."""
    failure = kafka_failure(said)
    if failure:
        return f"{failure}. Nothing is lost: start the stream again then"
    return said.strip().splitlines()[0] if said.strip() else "Spark gives no reason"
