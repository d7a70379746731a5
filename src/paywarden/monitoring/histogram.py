"""Where scores fall: the shares of payments in the tenths that the scores had when the model was tested."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paywarden.monitoring.bins import NumberBins
from paywarden.monitoring.reference import Profile


@dataclass(frozen=True)
class ScoreHistogram:
    """Shares of payments by bin, the least suspicious first: in the reference and of late.

    `edges` are the raw scores between the bins, one fewer than there are bins. Each side adds up to 1.
    """

    edges: tuple[float, ...]
    before: tuple[float, ...]
    late: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def score_histogram(profile: Profile | None, scores: NDArray[np.float64]) -> ScoreHistogram | None:
    """How raw scores [N] fall into the reference's bins; None without a reference or without a score."""
    if profile is None or not len(scores) or not isinstance(profile.bins, NumberBins):
        return None
    counts = np.bincount(profile.bins.place(scores), minlength=profile.bins.size)
    before, late = (_shares(np.asarray(side)[:-1]) for side in (profile.counts, counts))  # the last bin: absent
    return ScoreHistogram(profile.bins.edges, before, late)


def _shares(counts: NDArray[np.int64]) -> tuple[float, ...]:
    return tuple((counts / max(counts.sum(), 1)).tolist())
