"""How long labels take: delays by source, a label delay that waits for most frauds, and who is mature at a cut-off.

Delays are seen only where the label has arrived, so recent transactions show short ones alone: taking the observed
delays as they are would make labels look faster than they are. The estimate is the product-limit estimator in reverse
time, for which a label with delay ``x`` of a transaction of age ``t`` at the cut-off stands in the risk set from ``x``
to ``t``. It says which share of the frauds reported within the oldest age will have been reported by each age; of those
that nobody ever reports no data set knows. Source: S. W. Lagakos, L. M. Barraj, V. De Gruttola, "Nonparametric analysis
of truncated survival data, with application to AIDS", Biometrika 75 (1988), 515-523.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.evaluation.labels import Verdicts, verdicts_at
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import DAY_MS

ALL_SOURCES: Final = "all"
"""Stands for the first fraud label of a transaction, whichever source it has."""
_FEWEST: Final = 20  # a tail of the distribution estimated on fewer labels is noise
_QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class DelayDistribution:
    """How soon after a transaction its fraud label arrives.

    `delay_ms` int64 [k], rising, are the delays seen; `arrived` float64 [k] is the share of the frauds that will be
    reported that has been reported by each of them; `labels` is how many labels the estimate rests on.
    """

    delay_ms: NDArray[np.int64] = field(repr=False)
    arrived: NDArray[np.float64] = field(repr=False)
    labels: int

    def share_arrived_by(self, age_ms: int) -> float:
        """The share expected to have arrived when the transaction is so old."""
        place = int(np.searchsorted(self.delay_ms, age_ms, side="right"))
        return float(self.arrived[place - 1]) if place else 0.0

    def quantile(self, share: float) -> int | None:
        """The age (ms) by which at least this share has arrived; None without any label."""
        place = int(np.searchsorted(self.arrived, share - 1e-12, side="left"))
        return int(self.delay_ms[min(place, len(self.delay_ms) - 1)]) if len(self.delay_ms) else None

    def to_dict(self) -> dict[str, Any]:
        """Quantiles in days, as a JSON document."""
        found = {f"p{round(share * 100)}_days": self.quantile(share) for share in _QUANTILES}
        return {"labels": self.labels, **{name: None if ms is None else ms / DAY_MS for name, ms in found.items()}}


def delay_distribution(delay_ms: NDArray[np.int64], age_ms: NDArray[np.int64]) -> DelayDistribution:
    """The distribution behind delays (int64 [N]) seen of transactions that are `age_ms` (int64 [N]) old by now.

    Labels that came before their transaction count as delay 0. The share that is not reported by a delay `u` is one
    minus the product, over all longer delays seen, of ``1 - d / n``: `d` of them have this delay, and `n` have at most
    this one and are old enough to show it.
    """
    delay = np.clip(delay_ms, 0, None)
    age = np.maximum(age_ms, delay)
    seen, counts = np.unique(delay, return_counts=True)
    old_enough = len(age) - np.searchsorted(np.sort(age), seen, side="left")
    longer = len(delay) - np.cumsum(counts)
    # Whoever is not old enough has a delay of at most its age, so those with longer delays are all old enough.
    at_risk = old_enough - longer
    factors = 1.0 - counts / at_risk
    arrived = np.append(np.cumprod(factors[:0:-1])[::-1], 1.0) if len(seen) else np.zeros(0)
    return DelayDistribution(seen.astype(np.int64), arrived, len(delay))


@dataclass(frozen=True)
class MaturityCounts:
    """Rows by what can be said of them at a cut-off; each row is one of the three.

    Mature: the label delay has passed and silence or a label tells the outcome. Immature: it has not passed.
    Censored: declined by us and judged by nobody.
    """

    mature: int
    immature: int
    censored: int


def count_maturity(verdicts: Verdicts, censored: NDArray[np.bool_], rows: NDArray[np.bool_]) -> MaturityCounts:
    """The counts among `rows` (bool [N]); `censored` bool [N] marks what was declined."""
    silent = censored & ~verdicts.labelled
    mature = verdicts.mature & ~silent
    return MaturityCounts(*(int((rows & kind).sum()) for kind in (mature, ~verdicts.mature & ~silent, silent)))


@dataclass(frozen=True, eq=False)
class LabelMaturity:
    """Delays of fraud labels by source (of the first one under "all") as known at `as_of`, and the rows' counts."""

    as_of: int
    label_delay_ms: int
    counts: MaturityCounts
    delays: Mapping[str, DelayDistribution]

    def suggested_delay_ms(self, share: float = 0.95) -> int | None:
        """The age by which this share of the frauds that will be reported has been; None with fewer than 20 labels."""
        first = self.delays.get(ALL_SOURCES)
        return first.quantile(share) if first is not None and first.labels >= _FEWEST else None

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document; delays in days."""
        suggested = self.suggested_delay_ms()
        return {
            "as_of": self.as_of,
            "counts": asdict(self.counts),
            "delays": {source: found.to_dict() for source, found in sorted(self.delays.items())},
            "label_delay_days": self.label_delay_ms / DAY_MS,
            "suggested_label_delay_days": None if suggested is None else suggested / DAY_MS,
        }

    def sentences(self) -> list[str]:
        """What a person who trains should know."""
        count = self.counts
        said = [f"{count.mature:,} transactions are mature, {count.immature:,} immature, {count.censored:,} censored"]
        suggested, first = self.suggested_delay_ms(), self.delays.get(ALL_SOURCES)
        if suggested is not None and first is not None:
            by_delay = first.share_arrived_by(self.label_delay_ms)
            said.append(
                f"of the frauds that will be reported {by_delay:.0%} are after the label delay of "
                f"{self.label_delay_ms / DAY_MS:.3g} days; 95% after {suggested / DAY_MS:.3g} days"
            )
        return said


def label_maturity(
    transaction_ids: pa.ChunkedArray,
    occurred_at: NDArray[np.int64],
    labels: pa.Table,
    as_of: int,
    label_delay_ms: int,
    censored: NDArray[np.bool_],
) -> LabelMaturity:
    """Delays and counts of these transactions by the labels received at or before `as_of` (epoch ms).

    A delay is from a transaction's `occurred_at` to the arrival of its first fraud label, by source. Labels of other
    transactions are passed over.
    """
    known = labels.filter(pc.and_(labels["is_fraud"], pc.less_equal(labels["received_at"], as_of)))
    verdicts = verdicts_at(transaction_ids, occurred_at, labels, as_of, label_delay_ms, censored)
    everything = np.ones(len(occurred_at), dtype=bool)
    sources = pc.unique(known["source"]).drop_null().to_pylist()
    by_source = {str(source): known.filter(pc.equal(known["source"], source)) for source in sources}
    return LabelMaturity(
        as_of=as_of,
        label_delay_ms=label_delay_ms,
        counts=count_maturity(verdicts, censored, everything),
        delays={
            source: _first_delays(transaction_ids, occurred_at, rows, as_of)
            for source, rows in {**by_source, ALL_SOURCES: known}.items()
        },
    )


def _first_delays(
    transaction_ids: pa.ChunkedArray, occurred_at: NDArray[np.int64], labels: pa.Table, as_of: int
) -> DelayDistribution:
    first = labels.group_by("transaction_id").aggregate([("received_at", "min")])
    # An id that stands in several rows (a repeat beyond the horizon) is found in the first of them.
    row = pc.index_in(first["transaction_id"], value_set=transaction_ids.combine_chunks())
    arrived_at = first.filter(row.is_valid())["received_at_min"].to_numpy().astype(np.int64)
    happened_at = occurred_at[row.drop_null().to_numpy().astype(np.int64)]
    return delay_distribution(arrived_at - happened_at, as_of - happened_at)


@dataclass(frozen=True, eq=False)
class KeptScores:
    """N scores as they were given, kept without any outcome, so that later labels can correct the figures.

    Arrays as in :class:`Predictions`; `censored` bool [N] marks what was declined.
    """

    transaction_ids: pa.ChunkedArray = field(repr=False)
    raw: NDArray[np.float64] = field(repr=False)
    score: NDArray[np.float64] = field(repr=False)
    occurred_at: NDArray[np.int64] = field(repr=False)
    card: NDArray[np.int64] = field(repr=False)
    amount: NDArray[np.int64] = field(repr=False)
    censored: NDArray[np.bool_] = field(repr=False)

    def judged_at(self, labels: pa.Table, as_of: int, label_delay_ms: int) -> Predictions:
        """The mature ones of them with their outcome as known at `as_of` (epoch ms).

        A later `as_of` corrects earlier figures: a fraud reported late was a negative before, and rows ripen.
        """
        verdicts = verdicts_at(self.transaction_ids, self.occurred_at, labels, as_of, label_delay_ms, self.censored)
        rows = np.flatnonzero(verdicts.mature & verdicts.known)
        return Predictions(
            target=verdicts.fraud[rows],
            raw=self.raw[rows],
            score=self.score[rows],
            occurred_at=self.occurred_at[rows],
            card=self.card[rows],
            amount=self.amount[rows],
            pattern=verdicts.pattern[rows],
        )
