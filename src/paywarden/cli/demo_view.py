"""What the demo shows: its steps, a live table of alerts, the scorecard."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
from rich.live import Live
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import err
from paywarden.cli.local_platform import LocalPlatform
from paywarden.jobs.produce import Produced

_ROWS = 12
_PLAIN_EVERY = 25
"""Without a terminal, one alert in so many is printed."""


class DemoView:
    """Steps on stderr; alerts in a live table on a terminal, else some of them as lines."""

    def __init__(self, truth: pa.Table, platform: LocalPlatform) -> None:
        facts = truth.to_pydict()
        self._truth = dict(zip(facts["transaction_id"], facts["is_fraud"], strict=True))
        self._platform = platform
        self._began = time.monotonic()
        self._sent = Produced(0, 0)
        self._alerts: deque[dict[str, Any]] = deque(maxlen=_ROWS)
        self._caught = self._seen = 0
        self._lock = threading.Lock()

    def step(self, text: str) -> None:
        """A step begins."""
        err.print(f"[bold cyan]▸[/] [dim]{time.monotonic() - self._began:4.0f} s[/] {text}", highlight=False)

    def progress(self, done: Produced) -> None:
        """So many events were sent."""
        self._sent = done

    @contextmanager
    def live(self, _platform: object) -> Iterator[None]:
        """Alerts are shown while the context lasts."""
        stop = threading.Event()
        reader = threading.Thread(target=self._read, args=(stop,), daemon=True)
        reader.start()
        try:
            if err.is_terminal:
                with Live(console=err, get_renderable=self._table, refresh_per_second=4, transient=False):
                    yield
            else:
                yield
        finally:
            stop.set()
            reader.join()

    def _read(self, stop: threading.Event) -> None:
        settings = self._platform.settings
        for records in wiring.tail(settings, settings.kafka.topics.alerts):
            for value in records["value"].to_pylist():
                self._add(orjson.loads(value))
            if stop.is_set():
                return

    def _add(self, alert: dict[str, Any]) -> None:
        with self._lock:
            alert["fraud"] = self._truth.get(alert["transaction_id"])
            self._alerts.append(alert)
            self._seen += 1
            self._caught += bool(alert["fraud"])
        if not err.is_terminal and self._seen % _PLAIN_EVERY == 1:
            err.print(
                f"  alert {self._seen}: {' | '.join(_cells(alert))}", highlight=False, soft_wrap=True, markup=False
            )

    def _table(self) -> Table:
        with self._lock:
            share = f"{self._caught / self._seen:.0%} of them fraud" if self._seen else "waiting for the first"
            table = Table(title=f"{self._sent.transactions:,} live transactions sent, {self._seen:,} alerts, {share}")
            for name in ("time (UTC)", "card", "merchant", "amount", "score", "decision", "why", "truth"):
                table.add_column(name, no_wrap=name != "why")
            for alert in self._alerts:
                table.add_row(*_cells(alert), style="green" if alert["fraud"] else "")
            return table


def _cells(alert: dict[str, Any]) -> list[str]:
    entities = alert["entities"]
    return [
        datetime.fromtimestamp(alert["occurred_at"] / 1000, UTC).strftime("%m-%d %H:%M:%S"),
        _masked(entities.get("card")),
        str(entities.get("merchant") or "–"),
        f"{alert['amount_base'] / 100:,.2f}",
        "none" if alert["score"] is None else f"{alert['score']:.3f}",
        alert["decision"],
        "; ".join(reason["text"] for reason in alert["reasons"]),
        {True: "fraud", False: "genuine", None: ""}[alert["fraud"]],
    ]


def _masked(token: str | None) -> str:
    return f"…{token[-5:]}" if token else "–"


def scorecard_table(figures: dict[str, Any]) -> Table:
    """The report, a figure a row."""
    table = Table(title=f"Paywarden demo: {figures['source']}", title_justify="left", show_header=False)
    for name, value in (*_worth(figures), *_run(figures)):
        table.add_row(name, value)
    return table


def _worth(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """What the decisions were worth."""
    served = figures["served"]
    caught, missed = served["caught_by_pattern"], served["missed_by_pattern"]
    patterns = [
        f"{name} {caught.get(name, 0)} of {caught.get(name, 0) + missed.get(name, 0)}"
        for name in sorted(caught.keys() | missed.keys())
    ]
    return [
        ("live transactions decided", f"{served['transactions']:,}"),
        ("fraud caught / missed", f"{served['caught']:,} / {served['missed']:,}"),
        ("caught by pattern", ", ".join(patterns)),
        ("false alerts", f"{served['false_alerts']:,}"),
        ("precision, recall", f"{served['precision']:.3f}, {served['recall']:.3f}"),
        ("cases for analysts", f"{figures['cases']['cases']:,}, of {figures['cases']['alerts']:,} alerts"),
        ("value saved", f"{served['value_saved'] / 100:,.2f} of {served['value_of_fraud'] / 100:,.2f}"),
        ("AP, card precision@100", _ranking(served)),
        ("  of the replay", _ranking(figures["replay"])),
        ("  ignoring manifests", _ranking(figures["replay_ignoring_manifests"])),
    ]


def _run(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """How the stream ran, and that it lost nothing."""
    stream, account, parity = figures["stream"], figures["account"], figures["replay"]["parity"]
    labels = account["labels"] + account["repeated_labels"]
    astray = account["unaccounted"] + account["contradictory"] + account["stray"]
    latency = [f"{name} {(stream[f'latency_{name}_ms'] or 0) / 1000:.2f} s" for name in ("p50", "p99")]
    return [
        ("throughput", f"{stream['rows_per_second_largest_batches'] or 0:,.0f} rows/s in the largest batches"),
        ("latency", ", ".join(latency)),
        ("model", f"version {figures['model']['version']}, {figures['model']['features']} features"),
        (
            "input offsets",
            (
                f"{account['inputs']:,} = {account['decisions']:,} decisions + {account['dead_letters']:,} dead "
                f"letters + {account['duplicates']:,} duplicates + {labels:,} labels; {astray} astray"
            ),
        ),
        (
            "served against replayed",
            (
                f"{parity['compared']:,} decisions, {parity['vectors_differing']} vectors differ, "
                f"largest score difference {parity['largest_score_difference']:.1e}"
            ),
        ),
    ]


def _ranking(figures: dict[str, Any]) -> str:
    names = ("average_precision", "card_precision_at_100")
    return ", ".join("–" if figures[name] is None else f"{figures[name]:.4f}" for name in names)
