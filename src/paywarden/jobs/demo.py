"""The demo: the whole loop on one machine, from history to a model to live decisions, with an account of it all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from paywarden.events.decision import of_source
from paywarden.features.catalogue import Catalogue
from paywarden.features.manifest import BatchManifest
from paywarden.jobs.account import STREAM, account, first_by
from paywarden.jobs.parity import compare, replayed_decisions
from paywarden.jobs.produce import Arrivals, Produced
from paywarden.jobs.scorecard import scorecard
from paywarden.jobs.train import Trained
from paywarden.jobs.training_data import History
from paywarden.scoring.scorer import Scorer


@dataclass(frozen=True)
class DemoSource:
    """What the demo plays: history to learn from, then live traffic; ``truth`` is for the scorecard only."""

    name: str
    history: Iterable[Arrivals]
    live: Iterable[Arrivals]
    truth: pa.Table
    label_delay_days: float
    train_days: int | None = None


@dataclass(frozen=True)
class Served:
    """What the stream left on its topics and in its manifests, decoded."""

    decisions: pa.Table
    outcomes: pa.Table
    dead_letters: pa.Table
    manifests: Sequence[BatchManifest]


class Platform(Protocol):
    """The services and jobs the demo drives; each call returns once its work is done."""

    catalogue: Catalogue

    def start(self) -> None:
        """Kafka, its topics and MLflow are up."""

    def produce(
        self, arrivals: Iterable[Arrivals], rate: float | None, progress: Callable[[Produced], None]
    ) -> Produced:
        """Acknowledged delivery."""

    def disturb(self) -> int:
        """Send some malformed messages and some duplicates; how many."""

    def archive(self) -> int:
        """Bring the lake up to date; rows moved."""

    def train(self, label_delay_days: float, train_days: int | None) -> Trained:
        """Train, register, make champion."""

    def build_state(self) -> None:
        """Make the online state from the lake."""

    def start_stream(self) -> None:
        """The stream is running."""

    def await_stream(self, inputs: int, seconds: float) -> None:
        """Return once the stream has accounted for ``inputs`` events; raise if it dies or hangs."""

    def stop_stream(self) -> None:
        """The stream has ended gracefully."""

    def take_alerts(self) -> dict[str, int]:
        """Group the alerts into cases: how many alerts, how many cases, and their expected loss."""

    def served(self) -> Served:
        """Everything the stream sent."""

    def history(self) -> History:
        """Everything in the lake."""

    def scorer_of(self, digest: str) -> Scorer:
        """The model with this digest."""

    def stream_seconds(self) -> list[dict[str, Any]]:
        """Figures by micro-batch: rows, seconds, latencies."""


class View(Protocol):
    """Where the demo shows itself."""

    def step(self, text: str) -> None:
        """A step begins."""

    def progress(self, done: Produced) -> None:
        """So many events were sent."""

    def live(self, platform: Platform) -> AbstractContextManager[object]:
        """A context in which live alerts are shown."""


@dataclass(frozen=True)
class DemoSettings:
    """``rate`` events a second of live traffic (None: as fast as it goes)."""

    rate: float | None
    patience_seconds: float = 600.0


def run_demo(platform: Platform, source: DemoSource, settings: DemoSettings, view: View) -> dict[str, Any]:
    """Play the source through the platform; the report, a JSON document.

    The stream is stopped at the end; servers are the caller's to stop.
    """
    view.step("starting Kafka and MLflow")
    platform.start()
    view.step("producing history")
    produced = platform.produce(source.history, None, view.progress)
    view.step("archiving it to the lake")
    platform.archive()
    view.step("training on it, and registering the champion")
    trained = platform.train(source.label_delay_days, source.train_days)
    view.step("building the online state")
    platform.build_state()
    view.step("starting the stream")
    platform.start_stream()
    view.step("playing live transactions")
    with view.live(platform):
        live = platform.produce(source.live, settings.rate, view.progress)
        disturbed = platform.disturb()
        platform.await_stream(live.transactions + live.labels + disturbed, settings.patience_seconds)
    platform.stop_stream()
    view.step("grouping alerts into cases")
    cases = platform.take_alerts()
    view.step("accounting for every event, and replaying them offline")
    platform.archive()
    return {
        "source": source.name,
        "history": {"transactions": produced.transactions, "labels": produced.labels},
        "live": {"transactions": live.transactions, "labels": live.labels, "malformed_and_repeated": disturbed},
        "cases": cases,
        **_figures(platform, source, trained),
    }


def _figures(platform: Platform, source: DemoSource, trained: Trained) -> dict[str, Any]:
    served, history = platform.served(), platform.history()
    once = first_by(of_source(served.decisions, STREAM), "decision_id")
    bundle = trained.result.bundle
    card, threshold = platform.catalogue.entities[0], bundle.policy.review_threshold
    report: dict[str, Any] = {
        "account": account(served.manifests, served.decisions, served.outcomes, served.dead_letters).to_dict(),
        "model": {
            "version": trained.version,
            "digest": bundle.digest,
            "features": len(bundle.feature_names),
            "test": trained.result.test.to_dict(),
            "gate": trained.gate,
        },
        "served": scorecard(once, source.truth, card, threshold).to_dict(),
        "stream": _speed(platform.stream_seconds()),
    }
    for name, honour in (("replay", True), ("replay_ignoring_manifests", False)):
        replayed = replayed_decisions(
            history.transactions,
            history.labels,
            served.manifests,
            platform.scorer_of,
            honour_manifests=honour,
        )
        report[name] = {
            **scorecard(replayed, source.truth, card, threshold).to_dict(),
            "parity": compare(once, replayed, {bundle.digest: bundle.feature_names}).to_dict(),
        }
    return report


def _speed(batches: list[dict[str, Any]]) -> dict[str, Any]:
    """Throughput over the largest batches (a small one measures the trigger), latency over all."""
    rows, seconds = sum(b["rows"] for b in batches), sum(b["seconds"] for b in batches)
    largest = sorted(batches, key=lambda b: -b["rows"])[: max(len(batches) // 4, 1)]
    busy = sum(b["seconds"] for b in largest)
    weighted = [b for b in batches if b["latency_p50_ms"] is not None]
    decided = sum(b["decisions"] for b in weighted)
    return {
        "batches": len(batches),
        "rows": rows,
        "rows_per_second": rows / seconds if seconds else None,
        "rows_per_second_largest_batches": sum(b["rows"] for b in largest) / busy if busy else None,
        "latency_p50_ms": sum(b["latency_p50_ms"] * b["decisions"] for b in weighted) / decided if decided else None,
        "latency_p99_ms": max((b["latency_p99_ms"] for b in weighted), default=None),
    }
