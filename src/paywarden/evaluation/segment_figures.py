"""A window's figures segment by segment: where the model is strong, and where it is blind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.bootstrap import Interval, Resamples
from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.measures import Measures
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.segments import in_order

FEWEST_FRAUDS: Final = 20
"""A segment with fewer frauds has figures but no intervals: they would say that nothing is known."""
_OF_SEGMENTS: Final = ("average_precision", "precision", "recall", "value_detected", "money_saved")
_OF_PATTERNS: Final = ("average_precision", "recall", "value_detected")


@dataclass(frozen=True)
class SegmentFigures:
    """A segment's figures at the window's threshold, None where not defined, with intervals by name of the figure.

    A segment of "pattern" is the frauds of that pattern, its `average_precision` that of telling them from all genuine
    transactions; precision and money are not defined there, since a false alarm belongs to no pattern.
    """

    rows: int
    frauds: int
    alerts: int
    average_precision: float | None
    precision: float | None
    recall: float | None
    value_detected: float | None
    money_saved: float | None
    intervals: Mapping[str, Interval] = field(default_factory=dict)


def segment_figures(
    predictions: Predictions,
    threshold: float,
    costs: CostMatrix,
    decline_threshold: float | None,
    draws: Resamples,
    level: float,
) -> dict[str, dict[str, SegmentFigures]]:
    """The figures by segmentation and label; `draws` are those of the whole window.

    "pattern" joins the predictions' own segmentations where labels name patterns. Labels come as `in_order` has them.
    """

    def figures(own: NDArray[np.bool_], judged: NDArray[np.bool_], names: tuple[str, ...]) -> SegmentFigures:
        rows = np.flatnonzero(judged)
        measures = Measures(predictions.of(rows), threshold, None, costs, decline_threshold)
        frauds, known = int((own & predictions.target).sum()), measures.named()
        spread = measures.intervals(draws, level, rows) if frauds >= FEWEST_FRAUDS else {}
        return SegmentFigures(
            rows=int(own.sum()),
            frauds=frauds,
            alerts=int((own & (predictions.raw >= threshold)).sum()),
            intervals={name: spread[name] for name in names if name in spread},
            **{name: known[name] if name in names else None for name in _OF_SEGMENTS},
        )

    target = predictions.target
    found = {
        name: {str(label): figures(labels == label, labels == label, _OF_SEGMENTS) for label in in_order(labels)}
        for name, labels in sorted(predictions.segments.items())
    }
    pattern = np.array([name or "unnamed" for name in predictions.pattern], dtype=object)
    if any(name is not None for name in predictions.pattern[target]):
        found["pattern"] = {
            label: figures(target & (pattern == label), ~target | (pattern == label), _OF_PATTERNS)
            for label in in_order(pattern[target])
        }
    return found
