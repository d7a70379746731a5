"""What came in: volume, refused messages, absent fields, fraud rate, drift; and whether it may be trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.evaluation.labels import verdicts_at
from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.monitoring.drift import Drift, DriftSettings, drifts_of
from paywarden.monitoring.findings import Finding
from paywarden.monitoring.reference import profile_of

_NUMBERS: Final = ("amount_base", "latitude", "longitude")
_CATEGORIES: Final = ("currency", "transaction_type", "auth_result", "category", "channel", "country")
_ENTITY: Final = "entity_"
_USUAL_DAYS: Final = 56
_FEWEST_DAYS: Final = 7
_SPREADS: Final = 6.0
_FEWEST_FRAUD_DAYS: Final = 14


@dataclass(frozen=True)
class ArrivalSettings:
    """What stops a training; see the settings' section `checks`."""

    volume_factor: float = 2.0
    most_rejected: float = 0.05
    fraud_rate_factor: float = 3.0
    stop_at_drift: float = 3.0
    drift: DriftSettings = field(default_factory=DriftSettings)


def volume(
    received_at: NDArray[np.int64], since: int, as_of: int, factor: float
) -> tuple[dict[str, Any], list[Finding]]:
    """Transactions by whole UTC day since `since` beside the usual number, and findings for days that are out of it.

    Usual is the median of the days before, give or take six of their robust spreads (of logarithms, 1.4826 times the
    median absolute deviation) and at least the `factor`. With fewer than seven days before, nothing is usual yet.
    """
    first, last = int(received_at.min(initial=as_of)) // DAY_MS + 1, as_of // DAY_MS  # the first day is seldom whole
    whole = received_at[(received_at >= first * DAY_MS) & (received_at < last * DAY_MS)]
    daily = np.bincount(whole // DAY_MS - first, minlength=max(last - first, 0))
    new = min(max(since // DAY_MS, first), max(last - 1, first)) - first
    before = daily[max(new - _USUAL_DAYS, 0) : new]
    shown = {_day(first + new + place): int(count) for place, count in enumerate(daily[new:])}
    if len(before) < _FEWEST_DAYS:
        return {"by_day": shown, "usual": None}, []
    logs = np.log(np.maximum(before, 1))
    middle = float(np.median(logs))
    reach = max(_SPREADS * 1.4826 * float(np.median(np.abs(logs - middle))), math.log(factor))
    low, high = math.exp(middle - reach), math.exp(middle + reach)
    findings = []
    for day, count in shown.items():
        if not low <= count <= high:
            sentence = (
                f"{count:,} transactions arrived on {day}; {low:,.0f} to {high:,.0f} are usual. Look at the producers "
                "and at the archive."
            )
            bound = low if count < low else high
            findings.append(Finding("volume", day, "alarm", sentence, count, bound, fault=True))
    return {"by_day": shown, "usual": [low, high]}, findings


def rejected(table: pa.Table, what: str, since: int, most: float) -> tuple[dict[str, Any], list[Finding]]:
    """Messages of a typed table that were refused since `since` (epoch ms of Kafka), with their reasons."""
    is_new = pc.greater(pc.cast(table["timestamp"], pa.int64()), since)
    shares: list[float] = []
    reasons: dict[str, int] = {}
    for rows in (table.filter(is_new), table.filter(pc.invert(is_new))):
        refused = rows.filter(pc.is_valid(rows["reject_reason"]))
        shares.append(refused.num_rows / max(rows.num_rows, 1))
        if not reasons and refused.num_rows:
            counted = pc.value_counts(refused["reject_reason"]).to_pylist()
            reasons = {one["values"]: one["counts"] for one in sorted(counted, key=lambda c: -c["counts"])[:5]}
    share, before = shares
    figures = {"share": share, "before": before, "reasons": reasons}
    if share <= max(most, 3.0 * before):
        return figures, []
    top = next(iter(reasons))
    sentence = (
        f"{share:.1%} of the {what} that came were refused (before: {before:.1%}), most of them for {top!r}. "
        "Their bytes are in the lake; correct the producer."
    )
    return figures, [Finding("rejected", what, "alarm", sentence, share, max(most, 3.0 * before), fault=True)]


def columns_drift(
    transactions: pa.Table, before: Window, end: int, settings: ArrivalSettings
) -> tuple[list[Drift], list[Finding]]:
    """The fields of the transactions that occurred up to `end` (epoch ms) beside those of the window `before`.

    Absent values stop a training, and so does drift beyond `stop_at_drift` limits; less of it, and new categories, are
    what a training is for.
    """
    occurred_at = transactions["occurred_at"].to_numpy()
    reference, late = before.contains(occurred_at), (occurred_at >= end - 7 * DAY_MS) & (occurred_at < end)
    if not reference.any():
        return [], []
    entities = [name for name in transactions.column_names if name.startswith(_ENTITY)]
    clusters = [entity_codes(transactions[name])[reference] for name in entities]
    drifts: list[Drift] = []
    findings: list[Finding] = []
    for name in _columns(transactions):
        values, categorical = _values(transactions[name], name)
        profile = profile_of(values[reference], occurred_at[reference], clusters, categorical=categorical)
        for drift, found in drifts_of(name, profile, values[late], occurred_at[late], end, before.days, settings.drift):
            drifts.append(drift)
            findings += [finding for finding in found if _stops(finding, drift, settings.stop_at_drift)]
    return drifts, findings


def fraud_rate(
    transactions: pa.Table, labels: pa.Table, before: Window, mature: Window, as_of: int, delay_ms: int, factor: float
) -> tuple[dict[str, Any], list[Finding]]:
    """The share of frauds among payments that have matured of late beside that of the window `before`.

    Frauds come in campaigns, so their number varies more than by chance: by as much as it does from day to day of
    `before`. With fewer than fourteen days there, nothing is usual yet.
    """
    occurred_at = transactions["occurred_at"].to_numpy()
    verdicts = verdicts_at(transactions["transaction_id"], occurred_at, labels, as_of, delay_ms)
    late, former = (window.contains(occurred_at) & verdicts.mature for window in (mature, before))
    frauds, rows = int((verdicts.fraud & late).sum()), int(late.sum())
    rate, rate_before = frauds / max(rows, 1), float((verdicts.fraud & former).sum() / max(former.sum(), 1))
    figures = {"rate": rate, "frauds": frauds, "rows": rows, "before": rate_before}
    if before.days < _FEWEST_FRAUD_DAYS or not rows or not rate_before:
        return figures, []
    if rate_before / factor <= rate <= rate_before * factor:
        return figures, []
    day = (occurred_at[verdicts.fraud & former] - before.start) // DAY_MS
    daily = np.bincount(day, minlength=int(before.days))
    spread = math.sqrt(max(float(daily.var() / daily.mean()), 1.0) * rows * rate_before)
    if abs(frauds - rows * rate_before) < _SPREADS * spread:
        return figures, []
    sentence = (
        f"{rate:.2%} of the {rows:,} payments that matured were fraud; {rate_before:.2%} were before. Either labels "
        "are missing or wrong, or something is happening that a person should see first."
    )
    bound = rate_before * factor if rate > rate_before else rate_before / factor
    return figures, [Finding("fraud rate", "labels", "alarm", sentence, rate, bound, fault=True)]


def _stops(finding: Finding, drift: Drift, stop_at_drift: float) -> bool:
    return finding.kind == "missing values" or (finding.kind == "drift" and drift.ratio >= stop_at_drift)


def entity_codes(tokens: pa.ChunkedArray) -> NDArray[np.int64]:
    """A code for each token, int64 [N], -1 for none."""
    indices = tokens.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _columns(transactions: pa.Table) -> Sequence[str]:
    further = [name for name in transactions.column_names if name.startswith(("extra_", _ENTITY))]
    return [name for name in (*_NUMBERS, *_CATEGORIES, *further) if name in transactions.column_names]


def _values(column: pa.ChunkedArray, name: str) -> tuple[NDArray[Any], bool]:
    """The values of a column and whether they are categories; of entities only whether there is one."""
    if name.startswith(_ENTITY):
        return np.where(pc.is_valid(column).to_numpy(), 1.0, np.nan), False
    if pa.types.is_string(column.type):
        return np.asarray(column.to_numpy(), dtype=object), True
    return np.asarray(column.cast(pa.float64()).to_numpy()), False


def _day(number: int) -> str:
    return str(np.datetime64(number, "D"))
