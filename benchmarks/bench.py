"""The entry point: runs the parts, each in a process of its own, and writes their figures into one report."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import multiprocessing
import os
import platform
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.rounds import Skipped

REPORT = Path("build/bench/report.json")
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
    asked = _parser().parse_args(arguments)
    report = json.loads(asked.report.read_text()) if asked.only and asked.report.exists() else {}
    report["machine"] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
    }
    failed = False
    for name in asked.only or PARTS:
        print(f"== {name}: {PARTS[name]}", flush=True)
        began, load = time.perf_counter(), os.getloadavg()[0]
        try:
            figures = _in_own_process(name)
        except Skipped as reason:
            print(f"   skipped: {reason}", flush=True)
            figures = {"skipped": str(reason)}
        except Exception as error:  # noqa: BLE001 (the other parts still have their say)
            print(f"   failed: {type(error).__name__}: {error}", flush=True)
            figures, failed = {"failed": f"{type(error).__name__}: {error}"}, True
        took = round(time.perf_counter() - began)
        report[name] = {**figures, "run": {"load_before": round(load, 1), "took_seconds": took}}
        asked.report.parent.mkdir(parents=True, exist_ok=True)
        asked.report.write_text(json.dumps(report, indent=1) + "\n")
        print(f"   {took} s; load before {load:.1f}", flush=True)
    _plot(asked.report)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parts = "\n".join(f"  {name:10} {what}" for name, what in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure Paywarden's speed, size and exactness here and now.\n\n"
        f"parts:\n{parts}\n\n"
        "PAYWARDEN_DATA names the directory that has handbook/handbook_raw.parquet and handbook_features.parquet.\n"
        "What cannot be measured is skipped, and the report says why. Compare ratios: they come from rounds taken in\n"
        "turn; absolute figures depend on the machine and on what else it does.",
        epilog="examples:\n  python -m benchmarks.bench\n  python -m benchmarks.bench --only peers exactness",
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(PARTS), metavar="PART", help="run these parts; the report keeps the others'"
    )
    parser.add_argument("--report", type=Path, default=REPORT, help="where figures are written (default: %(default)s)")
    return parser


def _in_own_process(name: str) -> dict[str, object]:
    """A part's figures. A process each: none inherits another's memory, threads or compiled code."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        return pool.submit(_measure, name).result()


def _measure(name: str) -> dict[str, object]:
    warnings.simplefilter("ignore")
    sys.stdout.reconfigure(line_buffering=True)
    if name == "peers":
        _require("polars", "duckdb")
    figures: dict[str, object] = importlib.import_module(f"benchmarks.{name}").measure()
    return figures


def _require(*packages: str) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise Skipped(f"{', '.join(missing)} not installed; run `uv sync --group bench`")


def _plot(report: Path) -> None:
    from benchmarks.plots import draw  # noqa: PLC0415 -- matplotlib starts slowly, and --help does not need it

    plot = report.with_suffix(".svg")
    if draw(report, plot):
        print(f"written: {report}, {plot}")
    else:
        print(f"written: {report}")


if __name__ == "__main__":
    sys.exit(main())
