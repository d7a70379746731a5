"""The entry point of `make bench-stream`: the stream beside its peers, and what its speed depends on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.parts import parser, run_parts

REPORT = Path("build/bench/stream.json")
PARTS = {
    "side_by_side": "the stream beside a passthrough, spark_udf, transformWithState, Quix Streams, a consumer loop",
    "latency": "p50 and p99 at half load, beside the passthrough's at the same trigger",
    "cards": "rows a second by the number of cards known",
    "touched": "bytes written, seconds and memory of a batch by the cards that it touches",
    "bytes_stored": "bytes that a transaction takes in Kafka, with its decision, and in the lake",
    "redis_memory": "memory that Redis takes for the state of a card",
    "tls": "the stream and a passthrough over SASL_SSL beside plaintext",
    "scale_out": "rows a second on a standalone Spark cluster by its workers, state in Redis",
    "restart": "seconds from a restart to the first new decision, beside a clean start",
}


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 1 if a part failed."""
    options = parser(
        "benchmarks.stream.run",
        "Measure the stream beside what a user would pick instead, here and now.",
        PARTS,
        REPORT,
    )
    options.add_argument("--rounds", type=int, default=5, help="rounds that count, after one that warms (default: 5)")
    options.add_argument(
        "--cards",
        nargs="+",
        type=int,
        default=[10_000, 1_000_000],
        help="numbers of known cards",
    )
    options.add_argument("--rows", type=int, help="rows a round (default: 100000)")
    asked = options.parse_args(arguments)
    os.environ["BENCH_ROUNDS"], os.environ["BENCH_CARDS"] = str(asked.rounds), " ".join(map(str, asked.cards))
    if asked.rows:
        os.environ["BENCH_ROWS"] = str(asked.rows)
    whole = run_parts("benchmarks.stream", PARTS, asked.only, asked.report)
    print(f"written: {asked.report}")
    return int(not whole)


if __name__ == "__main__":
    sys.exit(main())
