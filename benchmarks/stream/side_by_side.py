"""All contestants in turn, on the same rows, features and model; and Paywarden once more with its full catalogue."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.rounds import Spread, spread
from benchmarks.stream import apps, spark_peers
from benchmarks.stream.ground import (
    INPUT,
    PEERS_CATALOGUE,
    Ground,
    Spans,
    bundle_files,
    ground,
    rounds_asked,
    rows_asked,
    size,
    taken_in_turn,
)
from benchmarks.stream.ours import SCHEMA, Ours
from benchmarks.stream.passthrough import COPY, copy
from paywarden.adapters.kafka.source import KafkaSource
from paywarden.events.decision import decode_decisions
from paywarden.features.templates import full_catalogue
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.scorer import Scorer

ROWS_A_ROUND = 100_000
ROWS_OF_THE_SLOW = 20_000
"""For those that handle a row at a time: their rate does not depend on how many there are."""
FULL = full_catalogue(SCHEMA)
PASSTHROUGH, FULL_STREAM, STREAM = "null passthrough", "Paywarden, full catalogue", "Paywarden, peers' catalogue"
UDF, STATE, QUIX, LOOP = "spark_udf, no history", "transformWithState", "Quix Streams", "consumer loop with our engine"
TARGETS = {
    ("full_stream_to_passthrough", 0.3): (FULL_STREAM, PASSTHROUGH),
    ("stream_to_passthrough", 0.3): (STREAM, PASSTHROUGH),
    ("stream_to_transform_with_state", 10.0): (STREAM, STATE),
    ("stream_to_spark_udf", 3.0): (STREAM, UDF),
    ("stream_to_quix", 1.5): (STREAM, QUIX),
    ("stream_to_consumer_loop", None): (STREAM, LOOP),
    ("full_stream_to_transform_with_state", None): (FULL_STREAM, STATE),
    ("full_stream_to_spark_udf", None): (FULL_STREAM, UDF),
    ("full_stream_to_quix", None): (FULL_STREAM, QUIX),
}
"""Name and target of a ratio: whose rate ÷ whose rate."""

Contest = Callable[[Spans], tuple[int, float]]
"""From a round's span to the rows decided and the seconds they took."""


def measure() -> dict[str, object]:
    """Rows a second by contestant and round, the ratios, and whether the peers' scores are ours."""
    print("  training the models")
    files, full_files, rounds = bundle_files(PEERS_CATALOGUE), bundle_files(FULL), rounds_asked()
    rows = (rounds + 1) * rows_asked(ROWS_A_ROUND)
    with ground(rows, session_options=spark_peers.ROCKSDB) as here, ExitStack() as cleanup:
        here.topics(COPY, "udf.output", "state.input", "state.output")
        contests = _contests(here, cleanup, files, full_files)
        rates, loads = _rounds(here, contests, rounds)
        return {
            "rounds": rounds,
            "rows_a_round": size(here.spans(0, rounds)),
            "rows_of_the_slow": ROWS_OF_THE_SLOW,
            "cores": os.cpu_count(),
            "features": {"peers": len(PEERS_CATALOGUE.names), "full": len(FULL.names)},
            "load_by_round": loads,
            "rows_per_second": {name: spread(found) for name, found in rates.items()},
            "model_alone_rows_per_second": {"peers": _alone(files), "full": _alone(full_files)},
            **_ratios(rates),
            "equal_scores": _equal_scores(here),
        }


def _contests(
    here: Ground, cleanup: ExitStack, files: Mapping[str, bytes], full_files: Mapping[str, bytes]
) -> dict[str, Contest]:
    stream = Ours.on(here, "peers", PEERS_CATALOGUE, files)
    full = Ours.on(here, "full", FULL, full_files)
    for ours in (stream, full):
        cleanup.callback(ours.close)
    uri = spark_peers.save_for_mlflow(files, here.directory)
    bundle = ModelBundle.from_files(files)
    bundle.save(here.directory / "bundle")
    (here.directory / "model.ubj").write_bytes(files["booster.ubj"])
    loop = cleanup.enter_context(
        apps.app(here, "loop", apps.loop_command(), {"bundle": str(here.directory / "bundle")})
    )
    contests: dict[str, Contest] = {
        PASSTHROUGH: _whole(here, lambda records: copy(here, records, plain=True)),
        STREAM: _whole(here, stream.decide),
        FULL_STREAM: _whole(here, full.decide),
        UDF: _whole(here, lambda records: _to(here, "udf.output", spark_peers.udf_decisions(here, records, uri))),
        LOOP: _app(here, loop, None),
        STATE: _with_state(here, files),
    }
    command = apps.quix_command()
    if asked := os.environ.get("BENCH_CONTESTANTS"):
        contests = {name: contest for name, contest in contests.items() if any(a in name for a in asked.split(","))}
    if command is None:
        print("  Quix Streams is not installed in .cache/quix: left out (`make quix-env`)")
    else:
        policy = bundle.policy
        thresholds = [t for t in (policy.review_threshold, policy.decline_threshold) if t is not None]
        config = {"model": str(here.directory / "model.ubj"), "thresholds": thresholds}
        contests[QUIX] = _app(here, cleanup.enter_context(apps.app(here, "quix", command, config)), ROWS_OF_THE_SLOW)
    return contests


def _whole(here: Ground, work: Callable[..., object]) -> Contest:
    def contest(spans: Spans) -> tuple[int, float]:
        records = here.records(spans)
        began = time.perf_counter()
        work(records)
        return size(spans), time.perf_counter() - began

    return contest


def _app(here: Ground, contestant: apps.App, rows: int | None) -> Contest:
    def contest(spans: Spans) -> tuple[int, float]:
        records = _read(here, spans, rows)
        return records.num_rows, contestant.decide(records)

    return contest


def _with_state(here: Ground, files: Mapping[str, bytes]) -> Contest:
    def contest(spans: Spans) -> tuple[int, float]:
        few = _first(spans, ROWS_OF_THE_SLOW)
        _to(here, "state.input", here.records(few).select("key", "value"))
        return size(few), spark_peers.state_decisions(here, "state.input", files, here.directory / "checkpoint-state")

    return contest


def _to(here: Ground, topic: str, rows: object) -> None:
    rows.write.format("kafka").options(**here.connection.spark_options(), topic=topic).save()  # type: ignore[attr-defined]


def _first(spans: Spans, rows: int | None) -> Spans:
    share = 1.0 if rows is None else min(1.0, rows / size(spans))
    return {p: (start, start + int((end - start) * share)) for p, (start, end) in spans.items()}


def _read(here: Ground, spans: Spans, rows: int | None) -> pa.Table:
    few = _first(spans, rows)
    start, end = ({INPUT: {p: span[side] for p, span in few.items()}} for side in (0, 1))
    return pa.concat_tables(KafkaSource(here.connection).read(start, end))


def _rounds(here: Ground, contests: Mapping[str, Contest], rounds: int) -> tuple[dict[str, list[float]], list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in contests}
    loads = []
    for number in range(rounds + 1):
        spans = here.spans(number, rounds)
        for name in taken_in_turn(list(contests), number):
            rows, seconds = contests[name](spans)
            if number:  # the first round compiles
                rates[name].append(rows / seconds)
            print(f"  round {number}: {name}: {rows / seconds:,.0f} rows/s of {rows:,}", flush=True)
        loads.append(round(os.getloadavg()[0], 1))
    return rates, loads[1:]


def _ratios(rates: Mapping[str, list[float]]) -> dict[str, object]:
    return {
        name: {**spread([a / b for a, b in zip(rates[over], rates[under], strict=True)]), "target": target}
        for (name, target), (over, under) in TARGETS.items()
        if over in rates and under in rates
    }


def _alone(files: Mapping[str, bytes], rows: int = 50_000, rounds: int = 5) -> dict[str, Spread]:
    """Rows a second of the model alone on one thread: XGBoost's own prediction, and Paywarden's scorer."""
    scorer, booster = Scorer(ModelBundle.from_files(files)), spark_peers.booster(files)
    width = len(scorer.bundle.feature_names)
    vectors = np.random.default_rng(1).gamma(1.0, 100.0, (rows, width)).astype(np.float32)
    runs: dict[str, Callable[[], object]] = {
        "xgboost": lambda: booster.inplace_predict(vectors, predict_type="margin"),
        "paywarden": lambda: scorer.score(vectors),
    }
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if number:
                found[name].append(rows / (time.perf_counter() - began))
    return {name: spread(rates) for name, rates in found.items()}


def _equal_scores(here: Ground) -> dict[str, object]:
    """Of each peer, in how many of its decisions the raw score is the stream's, to float32's rounding.

    Only of the first round: later ones of the slow are on fewer rows, and so on another history.
    """
    source = KafkaSource(here.connection)
    limit = ROWS_OF_THE_SLOW * 7 // 10
    ours = _our_scores(source)
    found = {}
    for name, topic in ((LOOP, "loop.output"), (QUIX, "quix.output"), (STATE, "state.output")):
        if topic in _existing(here):
            theirs = _scores(source, topic, limit)
            pairs = [(ours[key], score) for key, score in theirs.items() if key in ours]
            equal = sum(abs(a - b) <= 1e-5 * max(1.0, abs(a)) for a, b in pairs)
            found[name] = {"compared": len(pairs), "equal": equal / max(len(pairs), 1)}
    return found


def _existing(here: Ground) -> set[str]:
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415 -- asked once

    return set(AdminClient(here.connection.client_config()).list_topics(timeout=10).topics)


def _our_scores(source: KafkaSource) -> dict[str, float]:
    """Raw scores of the stream with the peers' catalogue, by transaction; the full one's vectors are longer."""
    found: dict[str, float] = {}
    for table in source.read(source.earliest_offsets(["predictions"]), source.end_offsets(["predictions"])):
        decided = decode_decisions(table["value"].to_pylist(), SCHEMA).select(["transaction_id", "raw_score", "vector"])
        peers = decided.filter(pc.equal(pc.list_value_length(decided["vector"]), len(PEERS_CATALOGUE.names)))
        found.update(zip(peers["transaction_id"].to_pylist(), peers["raw_score"].to_pylist(), strict=True))
    return found


def _scores(source: KafkaSource, topic: str, limit: int) -> dict[str, float]:
    """Raw scores of a peer's first decisions, so many of them."""
    earliest, ends = source.earliest_offsets([topic]), source.end_offsets([topic])
    first = {topic: {p: min(end, limit // len(ends[topic])) for p, end in ends[topic].items()}}
    found: dict[str, float] = {}
    for table in source.read(earliest, first):
        for message in map(orjson.loads, table["value"].to_pylist()):
            found.setdefault(message["transaction_id"], message["raw_score"])
    return found
