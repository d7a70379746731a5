"""Alerts: whether their share is still what it was when the model was tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.evaluation.splits import DAY_MS
from paywarden.monitoring.findings import Finding

_FACTOR: Final = 3.0
_FEWEST: Final = 20
"""Alerts on either side: fewer come and go by chance."""


def alert_share(
    occurred_at: NDArray[np.int64], decisions: pa.ChunkedArray, usual: Mapping[int, tuple[float, float]], end: int
) -> tuple[dict[str, float], list[Finding]]:
    """Alerts a day of the last week, and findings for a day or a week with three times more or fewer than ever before.

    `decisions` are the words of the policy; `usual` are the least and the largest share by length of window in days.
    """
    alert = pc.not_equal(decisions, "approve").to_numpy(zero_copy_only=False).astype(bool)
    figures, findings = {}, []
    for days, (low, high) in sorted(usual.items()):
        inside = (occurred_at >= end - days * DAY_MS) & (occurred_at < end)
        rows, alerts = int(inside.sum()), int((alert & inside).sum())
        figures[f"per_day_{days}d"] = alerts / days
        if not rows or max(alerts, rows * high) < _FEWEST:
            continue
        share = alerts / rows
        figures[f"share_{days}d"] = share
        if low / _FACTOR <= share <= high * _FACTOR:
            continue
        sentence = (
            f"{share:.2%} of the payments of the last {'day' if days == 1 else f'{days} days'} were alerts; between "
            f"{low:.2%} and {high:.2%} were when the model was tested."
        )
        bound = low / _FACTOR if share < low else high * _FACTOR
        findings.append(Finding("alert share", f"{days}d", "alarm", sentence, share, bound))
    return figures, findings
