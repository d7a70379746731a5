"""Row weights of resampled cards, and of resampled days: what the spread of a gain is taken from.

Frauds of one card come together, and so do those of one day, so neither rows are independent. Cards are resampled in
one half of the draws and days in the other, and a bound is believed only where both give it. Multiplying both weights
(Owen's pigeonhole bootstrap) would hold as well, but counts the rows' own variance three times, so that with a week of
traffic hardly any better model would ever pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_DAY_MS: Final = 86_400_000
SCHEMES: Final = ("cards", "days")


@dataclass(frozen=True, eq=False)
class CardAndDayResamples:
    """`count` draws of either scheme, the same ones for every model.

    `card` int64 [N]: codes, below 0 for no card, which makes the row a cluster of its own. `occurred_at` int64 [N]:
    epoch ms, whose UTC day counts.
    """

    card: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    count: int
    seed: int

    def draws(self, scheme: str) -> Iterator[NDArray[np.int64]]:
        """So many arrays of weights (int64 [N]): how often each row's card, or day, was drawn."""
        random = np.random.default_rng([self.seed, SCHEMES.index(scheme)])
        if scheme == "cards":
            alone = np.arange(len(self.card)) + self.card.max(initial=0) + 1
            clusters, place = np.unique(np.where(self.card < 0, alone, self.card), return_inverse=True)
        else:
            clusters, place = np.unique(self.occurred_at // _DAY_MS, return_inverse=True)
        number = len(clusters)
        for _ in range(self.count):
            drawn = np.bincount(random.integers(0, number, number), minlength=number)
            yield drawn[place]
