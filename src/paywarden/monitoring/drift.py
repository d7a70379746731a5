"""Drift: columns of late beside the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.splits import DAY_MS
from paywarden.monitoring.bins import CategoryBins
from paywarden.monitoring.distances import WINDOW_DAYS, kolmogorov_smirnov, psi, wasserstein
from paywarden.monitoring.findings import Finding
from paywarden.monitoring.reference import Profile

_SHORT_REFERENCE_DAYS: Final = 28.0
_WATCH: Final = 0.6
"""Of the limit: what comes so near is worth a look."""
_FEWEST_ROWS: Final = 100
_COVERED: Final = 0.9
_MORE_ABSENT: Final = 0.1
_NEW_SHARE: Final = 0.01


@dataclass(frozen=True)
class DriftSettings:
    """When a column has drifted: its PSI exceeds `factor` times what is usual for it, which counts as `floor` at least.

    A reference of some weeks has not seen everything: the factor grows with 28 days over its length.
    """

    factor: float = 3.0
    floor: float = 0.1

    def limit(self, usual: float, reference_days: float) -> float:
        """The PSI above which a column has drifted."""
        return self.factor * (1.0 + _SHORT_REFERENCE_DAYS / reference_days) * max(usual, self.floor)


@dataclass(frozen=True)
class Drift:
    """One column over the last `days`: distances to the reference, and the limit of the PSI."""

    column: str
    days: int
    rows: int
    psi: float
    limit: float
    ks: float
    wasserstein: float | None
    absent: float
    absent_before: float
    new: float

    @property
    def ratio(self) -> float:
        """The PSI in units of its limit: 1 and more is drift."""
        return self.psi / self.limit

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return {**asdict(self), "ratio": self.ratio}


def drifts_of(
    name: str,
    profile: Profile,
    values: NDArray[Any],
    occurred_at: NDArray[np.int64],
    end: int,
    reference_days: float,
    settings: DriftSettings,
) -> list[tuple[Drift, list[Finding]]]:
    """The drift of a column over each window that ends at `end` (epoch ms) and has a hundred rows, with what it means.

    `values` [N] as in the profile, `occurred_at` int64 [N].
    """
    found, place = [], profile.bins.place(values)
    before = np.array(profile.counts, dtype=np.int64)
    for days in WINDOW_DAYS:
        inside = (occurred_at >= end - days * DAY_MS) & (occurred_at < end)
        if days not in profile.usual or not _covers(occurred_at[inside], days, end):
            continue
        counts = np.bincount(place[inside], minlength=profile.bins.size)
        categorical = isinstance(profile.bins, CategoryBins)
        drift = Drift(
            column=name,
            days=days,
            rows=int(inside.sum()),
            psi=psi(counts, before),
            limit=settings.limit(profile.usual[days], reference_days),
            ks=kolmogorov_smirnov(counts, before),
            wasserstein=None if categorical else wasserstein(counts, before),
            absent=float(counts[-1] / counts.sum()),
            absent_before=profile.most_absent[days],
            new=float(counts[-2] / counts.sum()) if categorical else 0.0,
        )
        found.append((drift, _findings(drift, profile, place[inside], values[inside])))
    return found


def _covers(occurred_at: NDArray[np.int64], days: int, end: int) -> bool:
    """Whether there are rows on every day of a window: of a part of a week, weekdays alone would be found to drift."""
    if len(occurred_at) < _FEWEST_ROWS:
        return False
    span = int(occurred_at.max()) - int(occurred_at.min())
    return span >= _COVERED * days * DAY_MS and len(np.unique((end - 1 - occurred_at) // DAY_MS)) == days


def _findings(drift: Drift, profile: Profile, place: NDArray[np.int64], values: NDArray[Any]) -> list[Finding]:
    name, span = drift.column, "the last day" if drift.days == 1 else f"the last {drift.days} days"
    found = []
    if drift.absent >= drift.absent_before + _MORE_ABSENT:
        found.append(
            Finding(
                "missing values",
                name,
                "alarm",
                f"{name} is absent in {drift.absent:.0%} of the payments of {span}; before it was in "
                f"{drift.absent_before:.0%} at most. Look at where it comes from.",
                drift.absent,
                drift.absent_before + _MORE_ABSENT,
                fault=True,
            )
        )
    if drift.new >= _NEW_SHARE and isinstance(profile.bins, CategoryBins):
        fresh, counts = np.unique(values[place == profile.bins.size - 2].astype(str), return_counts=True)
        found.append(
            Finding(
                "new category",
                name,
                "alarm",
                f"{name} has values that the model has never seen, in {drift.new:.1%} of the payments of {span}; the "
                f"most frequent is {fresh[int(np.argmax(counts))]}.",
                drift.new,
                _NEW_SHARE,
                fault=True,
            )
        )
    if drift.ratio >= _WATCH and not found:
        gone = drift.ratio >= 1.0
        found.append(
            Finding(
                "drift",
                name,
                "alarm" if gone else "watch",
                f"{name} {'has drifted' if gone else 'is on its way'}: over {span} its distance to the training "
                f"window (PSI) is {drift.psi:.2f}, and {drift.limit:.2f} is where drift begins.",
                drift.psi,
                drift.limit,
            )
        )
    return found


def worst_first(drifts: Mapping[str, list[Drift]]) -> list[Drift]:
    """Each column's worst window, the furthest gone first."""
    worst = [max(found, key=lambda drift: drift.ratio) for found in drifts.values() if found]
    return sorted(worst, key=lambda drift: -drift.ratio)
