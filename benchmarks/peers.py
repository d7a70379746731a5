"""Replay beside polars and DuckDB: the same features of the same Arrow table, one thread each, rounds in turn.

Count, sum, mean and maximum of the amounts of a card, and of a merchant, over 1, 7 and 30 days, up to but not with the
transaction itself; 24 columns in memory, aligned with the rows as they came in. Polars and DuckDB compute exact
windows of any data frame; Paywarden tiled ones, and with them it recognises repeats and leaves the state that a stream
goes on from. Each peer is written in the fastest of the ways that were tried: polars' `rolling` over integer codes
(`rolling_sum_by(...).over(...)` took longer, strings longer still), DuckDB's RANGE frames with the mean taken from sum
and count, its rows put into order afterwards instead of by ORDER BY.
"""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # polars reads it when imported

from functools import partial

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.histories import Source, handbook_or_simulated
from benchmarks.rounds import in_turn, ratios, seconds
from paywarden.features.catalogue import Catalogue
from paywarden.features.feature import Feature
from paywarden.features.replay import replay
from paywarden.features.windows import DAY, MONTH, WEEK

TARGET_RATIO = 5
ENTITIES = ("card", "merchant")
WINDOWS = (DAY, WEEK, MONTH)
AGGREGATIONS = {"count": None, "sum": "amount", "mean": "amount", "max": "amount"}
CATALOGUE = Catalogue(
    ENTITIES,
    tuple(Feature(e, name, field, w) for e in ENTITIES for w in WINDOWS for name, field in AGGREGATIONS.items()),
    request=(),
)


def measure() -> dict[str, object]:
    """Seconds of the three, and how many times as long the others took, round by round."""
    pa.set_cpu_count(1)
    source = handbook_or_simulated()
    table = source.transactions.select([*(f"entity_{e}" for e in ENTITIES), "occurred_at", "amount_base"])
    agreement = _agreement(table)
    timings = in_turn(
        {
            "paywarden": partial(_with_paywarden, source),
            "polars": partial(_with_polars, table),
            "duckdb": partial(_with_duckdb, table),
        }
    )
    faster = [min(pair, key=lambda t: t.wall) for pair in zip(timings["polars"], timings["duckdb"], strict=True)]
    return {
        "source": source.name,
        "rows": source.rows,
        "features": len(CATALOGUE.features),
        "versions": {"polars": pl.__version__, "duckdb": duckdb.__version__},
        "threads": 1,
        "polars_and_duckdb_differ_by_at_most": agreement,
        **{name: seconds(taken) for name, taken in timings.items()},
        "target_ratio": TARGET_RATIO,
        "polars_to_paywarden": ratios(timings["polars"], timings["paywarden"]),
        "duckdb_to_paywarden": ratios(timings["duckdb"], timings["paywarden"]),
        "faster_peer_to_paywarden": ratios(faster, timings["paywarden"]),
    }


def _with_paywarden(source: Source) -> object:
    return replay(source.transactions, source.labels.slice(0, 0), CATALOGUE).features


def _with_polars(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table).select(
        pl.col("entity_card", "entity_merchant").cast(pl.Categorical).to_physical(),
        at=pl.col("occurred_at").cast(pl.Datetime("ms")),
        amount=pl.col("amount_base").cast(pl.Float64),
    )
    rows = frame.with_row_index("row")
    if not frame["at"].is_sorted():  # late ones stand where they arrived
        rows = rows.sort("at", maintain_order=True)
    columns = []
    for entity in ENTITIES:
        ordered = rows.select("row", "at", "amount", key=f"entity_{entity}").sort("key", maintain_order=True)
        back = ordered["row"].arg_sort()
        for window in WINDOWS:
            rolled = ordered.rolling("at", period=window.name, closed="left", group_by="key").agg(
                pl.len().alias(f"{entity}_count_{window.name}"),
                pl.col("amount").sum().alias(f"{entity}_sum_{window.name}"),
                pl.col("amount").mean().alias(f"{entity}_mean_{window.name}"),
                pl.col("amount").max().alias(f"{entity}_max_{window.name}"),
            )
            columns.append(rolled.drop("key", "at")[back])
    return pl.concat(columns, how="horizontal")


def _with_duckdb(table: pa.Table) -> pa.Table:
    selected, windows = [], []
    for entity in ENTITIES:
        for window in WINDOWS:
            name = f"{entity}_{window.name}"
            windows.append(
                f"{name} AS (PARTITION BY entity_{entity} ORDER BY occurred_at "
                f"RANGE BETWEEN {window.duration_ms} PRECEDING AND 1 PRECEDING)"
            )
            selected += [
                f"count(*) OVER {name} AS {entity}_count_{window.name}",
                f"sum(amount) OVER {name} AS {entity}_sum_{window.name}",
                f"{entity}_sum_{window.name} / {entity}_count_{window.name} AS {entity}_mean_{window.name}",
                f"max(amount) OVER {name} AS {entity}_max_{window.name}",
            ]
    numbered = "SELECT *, amount_base::DOUBLE AS amount, row_number() OVER () AS row FROM events"
    query = f"SELECT row, {', '.join(selected)} FROM ({numbered}) WINDOW {', '.join(windows)}"  # noqa: S608 (ours)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.register("events", table)
        result = connection.sql(query).to_arrow_table().combine_chunks()
    return result.take(np.argsort(result["row"].to_numpy())).drop_columns(["row"])


def _agreement(table: pa.Table) -> float:
    """The largest difference between what the two peers give of the first rows, relative; empty windows count as 0."""
    some = table.slice(0, 200_000)
    left, right = _with_polars(some), _with_duckdb(some)
    worst = 0.0
    for name in left.columns:
        mine = left[name].cast(pl.Float64).fill_null(0.0).to_numpy()
        other = np.nan_to_num(right[name].to_numpy().astype(np.float64))
        worst = max(worst, float(np.max(np.abs(mine - other) / np.maximum(np.abs(mine), 1.0))))
    return worst
