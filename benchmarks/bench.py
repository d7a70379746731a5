"""The entry point: runs the parts, each in a process of its own, and writes their figures into one report."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.parts import parser, run_parts

REPORT = Path("build/bench/report.json")
_DESCRIPTION = """Measure Paywarden's speed, size and exactness here and now.

PAYWARDEN_DATA names the directory that has handbook/handbook_raw.parquet and handbook_features.parquet. What cannot be
measured is skipped, and the report says why."""
PARTS = {
    "state": "bytes of state a key",
    "replay": "rows a second of a replay, core and full catalogue (1 minute)",
    "peers": "replay beside polars and DuckDB, the same features (2 minutes; the handbook's data, else simulated ones)",
    "training": "a training run beside bare xgboost.train, and replay and training together (3 minutes)",
    "exactness": "tiled against exact windows, and what that costs a model (1 minute; needs the handbook's data)",
    "world": "transactions a second of the simulated world, and into Kafka (3 minutes)",
    "stream": "the stream beside a job that only copies Kafka to Kafka (4 minutes)",
}


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 1 if a part failed."""
    options = parser("benchmarks.bench", _DESCRIPTION, PARTS, REPORT)
    asked = options.parse_args(arguments)
    whole = run_parts("benchmarks", PARTS, asked.only, asked.report)
    _plot(asked.report)
    return int(not whole)


def _plot(report: Path) -> None:
    from benchmarks.plots import draw  # noqa: PLC0415 -- matplotlib starts slowly, and --help does not need it

    plot = report.with_suffix(".svg")
    if draw(report, plot):
        print(f"written: {report}, {plot}")
    else:
        print(f"written: {report}")


if __name__ == "__main__":
    sys.exit(main())
