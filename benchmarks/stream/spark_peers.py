"""What a user of Spark would write without Paywarden: a model as a UDF, and windows in transformWithState."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import xgboost
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as sf
from pyspark.sql.streaming.stateful_processor import StatefulProcessor, StatefulProcessorHandle

from benchmarks.stream.ground import PARTITIONS, Ground
from benchmarks.stream.windows import NAMES, vector, without_history

ROCKSDB = {
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.shuffle.partitions": str(PARTITIONS),
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
}
"""What transformWithState needs of the session: RocksDB, a state a partition, and an end, which processing time has not
where batches without data go on."""
MESSAGE = "transaction_id string, occurred_at long, amount long, transaction_type string, entities struct<card: string>"


def booster(files: Mapping[str, bytes]) -> xgboost.Booster:
    """The bundle's own booster, on one thread."""
    loaded = xgboost.Booster({"nthread": 1})
    loaded.load_model(bytearray(files["booster.ubj"]))
    loaded.set_param({"nthread": 1})
    return loaded


def save_for_mlflow(files: Mapping[str, bytes], directory: Path) -> str:
    """The booster as MLflow's users keep it; its URI."""
    mlflow.xgboost.save_model(
        booster(files), directory / "mlflow-model", model_format="ubj", pip_requirements=["xgboost"]
    )
    return str(directory / "mlflow-model")


def udf_decisions(here: Ground, records: DataFrame, model_uri: str) -> DataFrame:
    """The tutorial way: JSON, the transaction's own features, `mlflow.pyfunc.spark_udf`, JSON. Windows are absent."""
    predict = mlflow.pyfunc.spark_udf(here.session, model_uri, result_type="double", env_manager="local")
    message = sf.from_json(sf.col("value").cast("string"), MESSAGE)
    rows = records.select("key", message.alias("m")).select("key", "m.*")
    day = sf.lit(86_400_000)
    turn = sf.lit(2 * np.pi) * (sf.col("occurred_at") % day) / day
    own: dict[str, Column] = {
        "amount": sf.col("amount").cast("double"),
        "hour_sin": sf.sin(turn),
        "hour_cos": sf.cos(turn),
        "weekday": ((sf.floor(sf.col("occurred_at") / day) + 3) % 7).cast("double"),
        "is_night": (sf.col("occurred_at") % day < 6 * 3_600_000).cast("double"),
    }
    features = [own.get(name, sf.lit(float("nan"))).alias(name) for name in NAMES]
    scored = rows.select("key", "transaction_id", sf.struct(*features).alias("features"))
    scored = scored.withColumn("score", predict(sf.col("features")))
    return scored.select("key", sf.to_json(sf.struct("transaction_id", "score", "features")).alias("value"))


class CardWindows(StatefulProcessor):
    """A card's windows in one value of bytes."""

    def init(self, handle: StatefulProcessorHandle) -> None:
        """State that expires as Paywarden's does, after 90 days."""
        self._windows = handle.getValueState("windows", "state binary", ttlDurationMs=90 * 86_400_000)

    def handleInputRows(self, key: Any, rows: Iterator[Row], timerValues: Any) -> Iterator[Row]:  # noqa: ANN401, ARG002, N802, N803 (its names)
        """The vectors of a card's transactions, in their order."""
        stored = self._windows.get()
        state = bytes(stored[0]) if stored else None
        for row in sorted(rows, key=lambda row: row.offset):
            values, state = vector(state, row.asDict())
            yield Row(card=key[0], transaction_id=row.transaction_id, vector=values)
        self._windows.update((state,))

    def close(self) -> None:
        """Nothing is held."""


def state_decisions(here: Ground, topic: str, files: Mapping[str, bytes], checkpoint: Path) -> float:
    """Decide what the topic has beyond the checkpoint, in one batch with state in RocksDB; Spark's seconds of it.

    From the plan of the batch to its commit, as Spark's own progress says; the query's start does not count.
    """
    records = (
        here.session.readStream.format("kafka")
        .options(**here.connection.spark_options())
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
    )
    message = sf.from_json(sf.col("value").cast("string"), MESSAGE)
    rows = records.select("offset", message.alias("m")).select("offset", "m.*")
    kept = (
        rows.withColumn("card", sf.col("entities.card"))
        .groupBy("card")
        .transformWithState(
            CardWindows(),
            outputStructType="card string, transaction_id string, vector array<double>",
            outputMode="append",
            timeMode="ProcessingTime",
        )
    )
    model = here.session.sparkContext.broadcast(files["booster.ubj"])

    def scored(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        model_here = booster({"booster.ubj": model.value})
        for batch in batches:
            vectors = np.array(batch["vector"].tolist(), np.float32)
            yield batch.assign(raw_score=model_here.inplace_predict(vectors, predict_type="margin"))

    decided = kept.mapInPandas(scored, "card string, transaction_id string, vector array<double>, raw_score double")
    out = decided.select(
        sf.col("card").alias("key"), sf.to_json(sf.struct("transaction_id", "raw_score", "vector")).alias("value")
    )
    query = (
        out.writeStream.format("kafka")
        .options(**here.connection.spark_options())
        .option("topic", "state.output")
        .option("checkpointLocation", str(checkpoint))
        .outputMode("append")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    progress = [p for p in query.recentProgress if p["numInputRows"]]
    return float(sum(p["durationMs"]["triggerExecution"] for p in progress)) / 1000


__all__ = ["CardWindows", "booster", "save_for_mlflow", "state_decisions", "udf_decisions", "without_history"]
