"""Check the data: whether what came into the lake since the last training may be trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from paywarden.errors import DataError
from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.jobs.archive import valid_rows
from paywarden.monitoring import arrivals
from paywarden.monitoring.arrivals import ArrivalSettings
from paywarden.monitoring.findings import Finding, reasons
from paywarden.monitoring.labels import delay_shift, label_flow


class Lake(Protocol):
    """Tables, one a topic."""

    def exists(self, topic: str) -> bool:
        """Whether the topic has a table."""

    def read(self, topic: str) -> pa.Table:
        """All rows."""


@dataclass(frozen=True)
class DataCheck:
    """What was found in the data; `findings` are why a training should not be run on them."""

    since: int
    as_of: int
    figures: Mapping[str, Any]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """Whether to train: "fine" or "stop"."""
        return "stop" if self.findings else "fine"

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document; times are epoch ms."""
        return {
            "verdict": self.verdict,
            "reasons": reasons(self.findings, most=20),
            "since": self.since,
            "as_of": self.as_of,
            **self.figures,
        }


def check_data(
    lake: Lake,
    transactions_topic: str,
    labels_topic: str,
    last_training: Mapping[str, Any] | None,
    champion: Mapping[str, Any] | None,
    settings: ArrivalSettings,
    *,
    label_delay_ms: int,
    days: float | None = None,
    as_of: int | None = None,
) -> DataCheck:
    """Hold what arrived since the last training (or in the last `days`) against what came before.

    `last_training` and `champion` are the `training` documents of the bundles of the newest version and of the one that
    serves, None where there is none: fields are then compared with those of all days before. `as_of` (epoch ms) is by
    default when the newest transaction came, as for a training; a verdict on history that is played comes long after.
    Raises LakeError without a table of transactions, DataError for one without a valid row.
    """
    archived = lake.read(transactions_topic)
    transactions = valid_rows(archived)
    if not transactions.num_rows:
        raise DataError("the lake holds no valid transaction; run `paywarden produce` and `paywarden archive` first")
    marked = lake.read(labels_topic) if lake.exists(labels_topic) else None
    if as_of is None:
        as_of = int(pc.max(transactions["received_at"]).as_py())
    else:
        last_training, champion = _known(last_training, as_of), _known(champion, as_of)
    since = _since(last_training, as_of, days)
    transactions = transactions.filter(pc.less_equal(transactions["received_at"], as_of))
    received_at = transactions["received_at"].to_numpy()
    arrived = int((received_at > since).sum())
    if not arrived:
        sentence = "No transaction has arrived since the last training: see that producers and the archive run."
        return DataCheck(
            since, as_of, {"transactions": 0}, (Finding("volume", "all", "alarm", sentence, 0, fault=True),)
        )
    before = _before(champion, int(transactions["occurred_at"].to_numpy().min()), min(since, as_of - 7 * DAY_MS))
    figures: dict[str, Any] = {"transactions": arrived, "compared_with": [before.start, before.end]}
    findings: list[Finding] = []
    for name, (figure, found) in _checks(
        transactions, archived, marked, since, as_of, before, settings, label_delay_ms
    ):
        figures[name] = figure
        findings += found
    return DataCheck(since, as_of, figures, tuple(findings))


def _checks(
    transactions: pa.Table,
    archived: pa.Table,
    marked: pa.Table | None,
    since: int,
    as_of: int,
    before: Window,
    settings: ArrivalSettings,
    delay_ms: int,
) -> Iterator[tuple[str, tuple[Any, list[Finding]]]]:
    received_at = transactions["received_at"].to_numpy()
    yield "volume", arrivals.volume(received_at, since, as_of, settings.volume_factor)
    yield "rejected", arrivals.rejected(archived, "transactions", since, settings.most_rejected)
    drifts, found = arrivals.columns_drift(transactions, before, as_of, settings)
    yield "fields", ([drift.to_dict() for drift in drifts], found)
    if marked is None:
        return
    labels = valid_rows(marked)
    labels = labels.filter(pc.less_equal(labels["received_at"], as_of))
    yield "rejected_labels", arrivals.rejected(marked, "labels", since, settings.most_rejected)
    mature = Window(max(since, before.end) - delay_ms, as_of - delay_ms)
    if mature.end > mature.start:
        compared = Window(before.start, min(before.end, mature.start))
        rates = arrivals.fraud_rate(transactions, labels, compared, mature, as_of, delay_ms, settings.fraud_rate_factor)
        yield "fraud_rate", rates
    flow, found = label_flow(labels, as_of)
    yield "label_flow", (flow.to_dict() if flow else None, found)
    shift, found = delay_shift(labels, before, as_of, delay_ms)
    yield "label_delay", (shift.to_dict() if shift else None, [one for one in found if one.fault])


def _known(training: Mapping[str, Any] | None, as_of: int) -> Mapping[str, Any] | None:
    """A training, unless it came after the moment that is asked about, as most do where the past is made up for."""
    return training if training and int(training["as_of"]) <= as_of else None


def _since(last_training: Mapping[str, Any] | None, as_of: int, days: float | None) -> int:
    """When the last training was, or `days` ago; a week ago where there was none."""
    if days is not None or last_training is None:
        return as_of - int((7 if days is None else days) * DAY_MS)
    return int(last_training["as_of"])


def _before(champion: Mapping[str, Any] | None, first: int, since: int) -> Window:
    """The window that the champion was trained and judged on, or all that came before."""
    split = champion.get("split") if champion else None
    return Window(int(split["train"][0]), int(split["test"][1])) if split else Window(first, max(since, first + 1))
