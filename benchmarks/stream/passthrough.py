"""The stream beside a Spark job that only copies Kafka to Kafka, in turn, on the same rows.

The copy runs twice: with the stream's producer options, and plain, with those that Kafka's clients have by default.
"""

from __future__ import annotations

import os

from pyspark.sql import DataFrame

from benchmarks.rounds import Timing, rates, ratios, timed
from benchmarks.stream.ground import Ground, bundle_files, ground, rounds_asked, rows_asked, size, taken_in_turn
from benchmarks.stream.ours import SCHEMA, Ours
from paywarden.adapters.spark.stream import SINK_OPTIONS
from paywarden.features.templates import full_catalogue

TARGET_RATIO = 0.3
ROWS_A_ROUND = 100_000
"""What a stream that is behind takes at once, so that the fixed cost of a batch weighs as it does then."""
CATALOGUE = full_catalogue(SCHEMA)
COPY = "passthrough"


def measure() -> dict[str, object]:
    """Rows a second of both, and the ratio, round by round: full catalogue, state in LMDB, a model and its reasons."""
    print("  training the model that scores")
    files, rounds = bundle_files(CATALOGUE), rounds_asked()
    with ground((rounds + 1) * rows_asked(ROWS_A_ROUND)) as here:
        here.topics(COPY)
        return _rounds(here, Ours.on(here, "full", CATALOGUE, files), rounds)


def copy(here: Ground, records: DataFrame, *, plain: bool = False) -> None:
    """Kafka to Kafka, key and value; ``plain`` without the stream's producer options."""
    options = {**({} if plain else SINK_OPTIONS), **here.connection.spark_options(), "topic": COPY}
    records.select("key", "value").write.format("kafka").options(**options).save()


def _rounds(here: Ground, ours: Ours, rounds: int) -> dict[str, object]:
    timings: dict[str, list[Timing]] = {"plain passthrough": [], "passthrough": [], "stream": []}
    rows = size(here.spans(0, rounds))
    for number in range(rounds + 1):
        records = here.records(here.spans(number, rounds))
        runs = {
            "plain passthrough": lambda r=records: copy(here, r, plain=True),
            "passthrough": lambda r=records: copy(here, r),
            "stream": lambda r=records: ours.decide(r),
        }
        taken = {name: timed(runs[name]) for name in taken_in_turn(list(runs), number)}
        for name, timing in taken.items() if number else ():  # the first round compiles
            timings[name].append(timing)
        print(f"  round {number}: " + ", ".join(f"{name} {rows / t.wall:,.0f} rows/s" for name, t in taken.items()))
    ours.close()
    return {
        "features": len(CATALOGUE.names),
        "rows_a_round": rows,
        "cores": os.cpu_count() or 2,
        "target_ratio": TARGET_RATIO,
        "passthrough_rows_per_second": rates(rows, timings["passthrough"]),
        "stream_rows_per_second": rates(rows, timings["stream"]),
        "stream_to_passthrough": ratios(timings["passthrough"], timings["stream"]),
        "plain_passthrough_rows_per_second": rates(rows, timings["plain passthrough"]),
        "stream_to_plain_passthrough": ratios(timings["plain passthrough"], timings["stream"]),
    }
