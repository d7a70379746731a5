"""A report made of parts: each runs in a process of its own, and the others' figures are kept."""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.rounds import Skipped

Measure = Callable[[str], dict[str, object]]


def parser(program: str, description: str, parts: Mapping[str, str], report: Path) -> argparse.ArgumentParser:
    """Options that every report has: which parts, and where to."""
    listed = "\n".join(f"  {name:10} {what}" for name, what in parts.items())
    made = argparse.ArgumentParser(
        prog=f"python -m {program}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{description}\n\nparts:\n{listed}\n\n"
        "Compare ratios: they come from rounds taken in turn; absolute figures depend on the machine and on what else\n"
        "it does.",
    )
    made.add_argument(
        "--only", nargs="+", choices=list(parts), metavar="PART", help="run these parts; the report keeps the others'"
    )
    made.add_argument("--report", type=Path, default=report, help="where figures are written (default: %(default)s)")
    return made


def run_parts(package: str, parts: Mapping[str, str], only: Sequence[str] | None, report: Path) -> bool:
    """Measure, and write the report after every part; whether none failed. A part is ``<package>.<name>:measure``."""
    found = json.loads(report.read_text()) if only and report.exists() else {}
    found["machine"] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
    }
    whole = True
    for name in only or parts:
        print(f"== {name}: {parts[name]}", flush=True)
        began, load = time.perf_counter(), os.getloadavg()[0]
        try:
            figures = _in_own_process(f"{package}.{name}")
        except Skipped as reason:
            print(f"   skipped: {reason}", flush=True)
            figures = {"skipped": str(reason)}
        except Exception as error:  # noqa: BLE001 (the other parts still have their say)
            print(f"   failed: {type(error).__name__}: {error}", flush=True)
            figures, whole = {"failed": f"{type(error).__name__}: {error}"}, False
        took = round(time.perf_counter() - began)
        found[name] = {**figures, "run": {"load_before": round(load, 1), "took_seconds": took}}
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(found, indent=1) + "\n")
        print(f"   {took} s; load before {load:.1f}", flush=True)
    return whole


def _in_own_process(module: str) -> dict[str, object]:
    """A part's figures. A process each: none inherits another's memory, threads or compiled code."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        return pool.submit(_measure, module).result()


def _measure(module: str) -> dict[str, object]:
    warnings.simplefilter("ignore")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        part = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise Skipped(f"{error.name} is not installed; run `uv sync --group bench`") from error
    figures: dict[str, object] = part.measure()
    return figures
