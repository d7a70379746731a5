"""Alerts: whether their share is still what it was when the model was tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.splits import DAY_MS
from paywarden.monitoring.findings import Finding

_FACTOR: Final = 3.0
_FEWEST: Final = 20
"""Alerts on either side: fewer come and go by chance."""


def alert_share(
    occurred_at: NDArray[np.int64],
    given: NDArray[np.bool_],
    raised: NDArray[np.bool_],
    usual: Mapping[int, tuple[float, float]],
    end: int,
) -> tuple[dict[str, float], list[Finding]]:
    """Alerts a day of the last week, and findings for a day or a week with three times more or fewer than ever before.

    `given` are payments that were alerts, after lists and rules; `raised` those that the model itself calls alerts,
    bool [N] both. `usual` are the least and the largest share of the latter by length of window in days: they were
    taken without lists and rules, which change at will, so the model's share is what is held against them.
    """
    figures, findings = {}, []
    for days, (low, high) in sorted(usual.items()):
        inside = (occurred_at >= end - days * DAY_MS) & (occurred_at < end)
        rows, alerts = int(inside.sum()), int((raised & inside).sum())
        figures[f"per_day_{days}d"] = int((given & inside).sum()) / days
        if not rows or max(alerts, rows * high) < _FEWEST:
            continue
        share = alerts / rows
        figures[f"share_{days}d"] = share
        if low / _FACTOR <= share <= high * _FACTOR:
            continue
        sentence = (
            f"{share:.2%} of the payments of the last {'day' if days == 1 else f'{days} days'} are alerts by their "
            f"scores alone; between {low:.2%} and {high:.2%} were when the model was tested."
        )
        bound = low / _FACTOR if share < low else high * _FACTOR
        findings.append(Finding("alert share", f"{days}d", "alarm", sentence, share, bound))
    return figures, findings
