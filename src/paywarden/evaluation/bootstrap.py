"""How sure a figure is: resampled cards, and resampled days.

Frauds of one card come together, and so do those of one day, so rows are not independent and resampling them one by one
gives intervals that are too narrow. Cards are resampled in one half of the draws and days in the other, each with
replacement (the cluster bootstrap: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8),
and an interval reaches from the lower of the two lower bounds to the higher of the two upper ones. Multiplying both
weights (Owen, The pigeonhole bootstrap, 2007) would hold for either dependence at once, but counts the rows' own
variance three times: intervals half as wide again as they need be. What this scheme gives away: where cards and days
matter equally, the hull is up to 1.4 times too narrow, and a week has only seven days to draw from, which makes the
spread between days come out some 7 % too small, and its extremes unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.splits import DAY_MS

SCHEMES: Final = ("cards", "days")
RESAMPLES: Final = 500
_MOST_UNDEFINED: Final = 0.05  # of the draws: an interval of the rest would be one of the lucky ones


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, which holds the true figure with probability `level` if days to come are like these."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, eq=False)
class Draw:
    """How often each row's card (`cards` int64 [N]) and its day (`days` int64 [N]) was drawn; one of them is all 1."""

    cards: NDArray[np.int64]
    days: NDArray[np.int64]

    @property
    def weight(self) -> NDArray[np.int64]:
        """How often each row counts, int64 [N]."""
        return self.cards * self.days


@dataclass(frozen=True, eq=False)
class Resamples:
    """`count` draws of cards and as many of days, the same ones for every model that is asked about these rows.

    `card` int64 [N]: codes, below 0 for no card, which makes the row a cluster of its own. `occurred_at` int64 [N]:
    epoch ms, whose UTC day counts. With a single day, days give no spread and cards alone decide.
    """

    card: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    count: int = RESAMPLES
    seed: int = 0

    def draws(self, scheme: str) -> Iterator[Draw]:
        """The draws of "cards" or of "days"; asked again, they are the same."""
        random = np.random.default_rng([self.seed, SCHEMES.index(scheme)])
        once = np.ones(len(self.card), dtype=np.int64)
        if scheme == "cards":
            alone = np.arange(len(self.card)) + self.card.max(initial=0) + 1
            place = np.unique(np.where(self.card < 0, alone, self.card), return_inverse=True)[1]
        else:
            place = np.unique(self.occurred_at // DAY_MS, return_inverse=True)[1]
        clusters = int(place.max(initial=-1)) + 1
        for _ in range(self.count):
            drawn = np.bincount(random.integers(0, clusters, clusters), minlength=clusters) if clusters else once
            yield Draw(drawn[place], once) if scheme == "cards" else Draw(once, drawn[place])


def bootstrap(figures: Callable[[Draw], NDArray[np.float64]], resamples: Resamples) -> dict[str, NDArray[np.float64]]:
    """By scheme the figures (float64 [F], NaN where not defined) of every draw: float64 [count, F]."""
    return {scheme: np.stack([figures(draw) for draw in resamples.draws(scheme)]) for scheme in SCHEMES}


def defined_draws(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of one figure's draws (float64 [count]) those that are defined; none where more than one in twenty is not."""
    defined = values[np.isfinite(values)]
    return defined if len(defined) >= (1.0 - _MOST_UNDEFINED) * len(values) else defined[:0]


def interval_of(drawn: Mapping[str, NDArray[np.float64]], level: float, about: float | None = None) -> Interval | None:
    """The hull of the schemes' percentile intervals of one figure's draws (float64 [count] each).

    With `about` the draws are reflected at that estimate (the basic bootstrap), which undoes the bias of a figure that
    noise can only raise. None where more than one draw in twenty is not defined.
    """
    bounds = []
    for values in drawn.values():
        defined = defined_draws(values)
        if not len(defined):
            return None
        found = np.quantile(defined if about is None else 2.0 * about - defined, [(1 - level) / 2, (1 + level) / 2])
        bounds.append(found)
    return Interval(float(min(low for low, _ in bounds)), float(max(high for _, high in bounds)), level)
