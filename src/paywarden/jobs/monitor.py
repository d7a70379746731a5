"""Monitor: whether what is served is still what was trained and promised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import PaywardenError
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.events.decision import of_source
from paywarden.features.manifest import BatchManifest
from paywarden.jobs.observed import Observed, matured, vectors_of
from paywarden.jobs.parity import Parity, compare, replayed_decisions
from paywarden.monitoring.alerts import alert_share
from paywarden.monitoring.drift import Drift, DriftSettings, drifts_of
from paywarden.monitoring.findings import Finding, Verdict, by_gravity, reasons, verdict_on
from paywarden.monitoring.histogram import ScoreHistogram, score_histogram
from paywarden.monitoring.labels import DelayCurves, DelayShift, LabelFlow, delay_curves, delay_shift, label_flow
from paywarden.monitoring.performance import DecaySettings, Performance, performance
from paywarden.monitoring.reference import Reference
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.policy import APPROVE
from paywarden.scoring.scorer import Scorer

HISTORY_DAYS: Final = 70
"""So many days back the figures are shown week by week."""
_HOUR_MS: Final = 3_600_000
_MOST_UNDECIDED: Final = 0.05
_MOST_DIFFERING: Final = 0.001
"""Of the served vectors: a stream that was down may have decided in another order than events arrived."""


@dataclass(frozen=True)
class MonitorSettings:
    """When monitoring speaks up; `matured_days` are judged together."""

    matured_days: int = 28
    drift: DriftSettings = field(default_factory=DriftSettings)
    decay: DecaySettings = field(default_factory=DecaySettings)


@dataclass(frozen=True)
class Watched:
    """The version that serves, its bundle, and the reference that was made when it was trained."""

    version: int
    bundle: ModelBundle
    reference: Reference


@dataclass(frozen=True, eq=False)
class Monitored:
    """Everything that was looked at, and the verdict.

    `drifts` go by column, with those of the score under "score"; `scores` are last week's.
    """

    as_of: int
    version: int
    bundle_digest: str
    reference: Reference
    counts: Mapping[str, int]
    findings: Sequence[Finding]
    drifts: Mapping[str, list[Drift]]
    scores: ScoreHistogram | None
    alerts: Mapping[str, float]
    performance: Performance | None
    predictions: Predictions
    flow: LabelFlow | None
    shift: DelayShift | None
    delays: DelayCurves | None
    parity: Parity | None
    notes: Sequence[str]

    @property
    def verdict(self) -> Verdict:
        """Quiet, watch, alarm or retrain."""
        return verdict_on(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document; times are epoch ms."""
        return {
            "verdict": self.verdict,
            "reasons": reasons(self.findings),
            "as_of": self.as_of,
            "version": self.version,
            "bundle_digest": self.bundle_digest,
            "counts": dict(self.counts),
            "findings": [finding.to_dict() for finding in by_gravity(self.findings)],
            "drift": {name: [drift.to_dict() for drift in found] for name, found in self.drifts.items()},
            "scores": self.scores.to_dict() if self.scores else None,
            "alerts": dict(self.alerts),
            "performance": self.performance.to_dict() if self.performance else None,
            "labels": {
                "flow": self.flow.to_dict() if self.flow else None,
                "delay": self.shift.to_dict() if self.shift else None,
                "curves": self.delays.to_dict() if self.delays else None,
            },
            "parity": self.parity.to_dict() if self.parity else None,
            "notes": list(self.notes),
        }


def monitor(
    observed: Observed,
    watched: Watched,
    settings: MonitorSettings,
    parity: Callable[[], Parity | None] = lambda: None,
) -> Monitored:
    """Hold what the lake holds of late against the reference and the promise of the version that serves.

    `parity` replays and compares, or gives None where there is nothing to replay.
    """
    bundle, as_of = watched.bundle, observed.as_of
    mine = observed.of(bundle.digest)
    findings, notes = list(_undecided(observed)), []
    drifts, found = _drifts(mine, watched, as_of, settings.drift)
    findings += found
    alerts, found = _alerts(mine, watched, as_of)
    findings += found
    if not drifts:
        notes.append(f"Version {watched.version} has decided too little in the last week to tell of drift.")
    delay_ms = int(bundle.training.get("split", {}).get("label_delay_ms", 0))
    end = as_of - delay_ms
    history = matured(observed, bundle, Window(end - HISTORY_DAYS * DAY_MS, end))
    late = history.of(np.flatnonzero(history.occurred_at >= end - settings.matured_days * DAY_MS))
    judged, found = performance(
        late,
        history,
        bundle.policy.review_threshold,
        bundle.policy.decline_threshold,
        watched.reference.promise,
        watched.reference.announced,
        settings.decay,
    )
    findings += found
    if judged is None:
        notes.append(f"Too few frauds of version {watched.version} have matured to judge it: {int(late.target.sum())}.")
    flow, found = label_flow(observed.labels, as_of)
    findings += found
    reference = Window(watched.reference.start, watched.reference.end)
    shift, found = delay_shift(observed.labels, reference, as_of, delay_ms)
    findings += found
    try:
        held = parity()
    except PaywardenError as error:
        held = None
        notes.append(f"Served vectors could not be replayed: {error}")
    findings += _parity_findings(held)
    return Monitored(
        as_of=as_of,
        version=watched.version,
        bundle_digest=bundle.digest,
        reference=watched.reference,
        counts={"decisions": observed.decisions.num_rows, "of_version": mine.num_rows, "matured": len(late)},
        findings=tuple(findings),
        drifts=drifts,
        scores=score_histogram(watched.reference.score, _of_last_week(mine, as_of)),
        alerts=alerts,
        performance=judged,
        predictions=late,
        flow=flow,
        shift=shift,
        delays=delay_curves(observed.labels, reference, as_of, delay_ms),
        parity=held,
        notes=tuple(notes),
    )


def parity_of(
    observed: Observed,
    transactions: pa.Table,
    labels: pa.Table,
    manifests: Sequence[BatchManifest],
    scorer_of: Callable[[str], Scorer],
) -> Parity | None:
    """How the vectors served in the last week compare with those of a replay; None without any manifest.

    `transactions` and `labels` are the whole history with its Kafka coordinates. What was archived on one side only
    yet is not compared, nor what the API answered.
    """
    if not manifests:
        return None
    served = of_source(observed.decisions, "stream")
    served = served.filter(pc.is_valid(served["vector"]))
    replayed = replayed_decisions(transactions, labels, manifests, scorer_of)
    both = replayed.filter(pc.is_in(replayed["transaction_id"], value_set=served["transaction_id"].combine_chunks()))
    served = served.filter(pc.is_in(served["transaction_id"], value_set=both["transaction_id"].combine_chunks()))
    digests = pc.unique(both["bundle_digest"]).to_pylist()
    return compare(served, both, {digest: scorer_of(digest).bundle.feature_names for digest in digests})


def _drifts(
    mine: pa.Table, watched: Watched, as_of: int, settings: DriftSettings
) -> tuple[dict[str, list[Drift]], list[Finding]]:
    reference, names = watched.reference, watched.bundle.feature_names
    vectors, rows = vectors_of(mine, len(names))
    occurred_at = mine["occurred_at"].to_numpy()[rows]
    known = reference.columns
    columns = {name: (known.get(name), vectors[:, place], reference.days) for place, name in enumerate(names)}
    columns["score"] = (reference.score, mine["raw_score"].to_numpy()[rows], float(max(reference.score_days, 1)))
    drifts: dict[str, list[Drift]] = {}
    findings: list[Finding] = []
    for name, (profile, values, days) in columns.items():
        if profile is not None:
            for drift, found in drifts_of(name, profile, values, occurred_at, as_of, days, settings):
                drifts.setdefault(name, []).append(drift)
                findings += found
    return drifts, findings


def _of_last_week(mine: pa.Table, as_of: int) -> NDArray[np.float64]:
    late = pc.and_(pc.greater_equal(mine["occurred_at"], as_of - 7 * DAY_MS), pc.less(mine["occurred_at"], as_of))
    return mine.filter(late)["raw_score"].to_numpy()


def _alerts(mine: pa.Table, watched: Watched, as_of: int) -> tuple[dict[str, float], list[Finding]]:
    given = pc.not_equal(mine["decision"], "approve").to_numpy(zero_copy_only=False).astype(bool)
    raised = watched.bundle.policy.decide(mine["raw_score"].to_numpy()) != APPROVE
    return alert_share(mine["occurred_at"].to_numpy(), given, raised, watched.reference.alert_share, as_of)


def _undecided(observed: Observed) -> list[Finding]:
    """A finding where payments of the last day were archived and no decision on them was."""
    at = observed.transactions["received_at"].to_numpy()
    due = observed.transactions.filter(pa.array((at >= observed.as_of - DAY_MS) & (at < observed.as_of - _HOUR_MS)))
    decided = pc.is_in(due["transaction_id"], value_set=observed.decisions["transaction_id"].combine_chunks())
    missing = due.num_rows - int(pc.sum(decided).as_py() or 0)
    share = missing / max(due.num_rows, 1)
    if share <= _MOST_UNDECIDED:
        return []
    sentence = (
        f"{missing:,} of the {due.num_rows:,} payments of the last day have no decision ({share:.0%}): see that the "
        "stream runs, and that its predictions are archived."
    )
    return [Finding("undecided", "stream", "alarm", sentence, share, _MOST_UNDECIDED, fault=True)]


def _parity_findings(parity: Parity | None) -> list[Finding]:
    if parity is None or not parity.compared:
        return []
    share = parity.vectors_differing / parity.compared
    if share <= _MOST_DIFFERING:
        return []
    worst = max(parity.features_differing, key=lambda name: parity.features_differing[name])
    sentence = (
        f"{share:.1%} of the served vectors differ from those of a replay, most of all in {worst}: the model is served "
        "something else than it was trained on. `paywarden state build` makes the online state anew."
    )
    return [Finding("parity", worst, "alarm", sentence, share, _MOST_DIFFERING, fault=True)]
