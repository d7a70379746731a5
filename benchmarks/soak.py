"""A soak: a steady producer, the stream and the archiver for minutes; then the memory's slope and the exact account.

`python -m benchmarks.soak MINUTES` writes build/soak/report.json; 1 if something grew, was lost or ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.stream.deployment import Deployment, deployment, register_champion
from paywarden import wiring

REPORT = Path("build/soak/report.json")
RATE = int(os.environ.get("SOAK_RATE", "1000"))
"""Events a second; far below what the stream can do, so that it is memory that is tried."""
CARDS = 20_000
WARM_SHARE = 0.4
"""Of the time, which does not count: compiled code, caches and heaps fill up first."""
SAMPLE_SECONDS = 5.0
MOST_GROWTH = 0.10
"""Of its mean, that a fitted line may rise by over the time that counts: what a heap breathes."""


@dataclass
class Memory:
    """Megabytes of each process by time."""

    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def sample(self, at: float, roots: Mapping[str, int]) -> None:
        """Resident memory under each of the processes, which must be running."""
        for name, pid in roots.items():
            for part, megabytes in _resident(name, pid).items():
                self.samples.setdefault(part, []).append((at, megabytes))

    def figures(self, since: float) -> dict[str, dict[str, float | bool]]:
        """For each process its mean, peak, and the rise of a fitted line, from a time on."""
        found = {}
        for name, samples in self.samples.items():
            times, sizes = np.array([s for s in samples if s[0] >= since]).T
            slope = float(np.polyfit(times, sizes, 1)[0])
            growth = slope * (times[-1] - times[0]) / sizes.mean()
            found[name] = {
                "mean_mb": round(float(sizes.mean()), 1),
                "peak_mb": round(float(sizes.max()), 1),
                "slope_mb_an_hour": round(slope * 3600, 1),
                "growth_over_the_time": round(float(growth), 4),
                "flat": bool(growth <= MOST_GROWTH),
            }
        return found


def _resident(name: str, pid: int) -> dict[str, float]:
    """A supervised command's memory, its JVM's, and its Python workers' together."""
    found: dict[str, float] = {}
    for process in psutil.Process(pid).children(recursive=True):
        try:
            line, size = " ".join(process.cmdline()), process.memory_info().rss / 1e6
        except psutil.Error:
            continue
        part = name
        if "java" in line.split(" ")[0]:
            part = f"{name}: JVM"
        elif "pyspark.daemon" in line:
            part = f"{name}: Python workers"
        found[part] = found.get(part, 0.0) + size
    return found


def main(minutes: float) -> int:
    """Soak, judge, write; 1 if it did not hold."""
    began = time.time()
    with deployment() as here:
        print("  training the champion", flush=True)
        register_champion(here)
        report = _soaked(here, minutes * 60)
    report = {
        "minutes": minutes,
        "rate": RATE,
        "cores": os.cpu_count(),
        "seconds_in_all": round(time.time() - began),
        **report,
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {REPORT}; {'it held' if report['held'] else 'IT DID NOT HOLD'}")
    return int(not report["held"])


def _soaked(here: Deployment, seconds: float) -> dict[str, object]:
    here.start("stream", "stream", "run")
    here.start("archive", "archive", "--every", "5")
    world = ("--cards", str(CARDS), "--days", "1", "--seed", "5")
    here.start("producer", "produce", "--forever", *world, "--rate", str(RATE))
    here.wait(lambda: here.rows("predictions") > 0)
    roots = {name: _pid(here, name) for name in here.processes}
    memory, loads, lags, began = Memory(), [], [], time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        memory.sample(at, roots)
        loads.append(os.getloadavg()[0])
        lags.append(here.inputs() - _read(here))
        if int(at / 60) != int((at - SAMPLE_SECONDS) / 60):
            print(f"  minute {int(at / 60)}: {here.rows('predictions'):,} decisions, lag {lags[-1]:,}", flush=True)
        here.wait(lambda: True)  # every process is alive
        time.sleep(SAMPLE_SECONDS)
    here.processes["producer"].stop(60.0)
    del here.processes["producer"]
    inputs = here.inputs()
    here.wait(lambda: _read(here) >= inputs)
    here.wait(lambda: here.answered() >= inputs)
    here.processes["stream"].stop(60.0)
    del here.processes["stream"]
    here.wait(lambda: here.archived() >= inputs)
    account, figures = here.account(), memory.figures(seconds * WARM_SHARE)
    lost = account.unaccounted or account.inputs != inputs
    return {
        "inputs": inputs,
        "account": account.to_dict(),
        "lake_rows": here.archived(),
        "memory": figures,
        "lag": {"median": float(np.median(lags)), "max": max(lags)},
        "load": {"median": round(float(np.median(loads)), 1), "max": round(max(loads), 1)},
        "zero_loss": account.complete and not lost,
        "flat": all(figure["flat"] for figure in figures.values()),
        "held": account.complete and not lost and all(figure["flat"] for figure in figures.values()),
    }


def _read(here: Deployment) -> int:
    """How many inputs the manifests name."""
    return sum(s.end - s.start for m in wiring.manifests(here.settings).all() if m.bundle_digest for s in m.ranges)


def _pid(here: Deployment, name: str) -> int:
    pid = here.processes[name].pid
    if pid is None:
        raise RuntimeError(f"{name} has not been started")
    return pid


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0))
