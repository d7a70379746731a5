"""The reference: what the columns looked like while a model was trained and judged, in histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.monitoring.bins import Bins, bins_from_dict, bins_of
from paywarden.monitoring.distances import WINDOW_DAYS, counts_by, usual_psi

FORMAT: Final = 1


@dataclass(frozen=True)
class Profile:
    """A column in the reference: its bins, how many rows were in each, and how restless it is.

    `usual` is the largest distance within the reference by length of a window in days (see
    :func:`~paywarden.monitoring.distances.usual_psi`), `most_absent` the largest share of absent values of such a
    window. A length that the reference is too short for is missing in both.
    """

    bins: Bins
    counts: tuple[int, ...]
    usual: Mapping[int, float]
    most_absent: Mapping[int, float]

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return {**self.bins.to_dict(), "counts": list(self.counts), "usual": _text(self.usual),
                "most_absent": _text(self.most_absent)}  # fmt: skip

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Profile:
        """The profile that `to_dict` wrote."""
        usual, absent = _numbers(document["usual"]), _numbers(document["most_absent"])
        return cls(bins_from_dict(document), tuple(document["counts"]), usual, absent)


@dataclass(frozen=True)
class Reference:
    """The columns of a span (`start` to `end`, epoch ms) by name, and the same of the scores of its later part.

    `score_days` is how long that part is, `alert_share` the least and the largest share of alerts of a window of so
    many days. `announced` is the logarithm of announced over actual frauds in the test window and its standard error,
    `promise` the figures of that window with intervals and segments (:meth:`~paywarden.evaluation.metrics.Metrics`).
    """

    start: int
    end: int
    columns: Mapping[str, Profile]
    score: Profile | None = None
    score_days: int = 0
    alert_share: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    announced: tuple[float, float] | None = None
    promise: Mapping[str, Any] = field(default_factory=dict)

    @property
    def days(self) -> float:
        """How long it is."""
        return (self.end - self.start) / DAY_MS

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        flat = {name: value for name, value in asdict(self).items() if name not in ("columns", "score", "alert_share")}
        return {
            "format": FORMAT,
            **flat,
            "columns": {name: profile.to_dict() for name, profile in self.columns.items()},
            "score": self.score.to_dict() if self.score else None,
            "alert_share": {str(days): list(bounds) for days, bounds in self.alert_share.items()},
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Reference:
        """The reference that `to_dict` wrote. Raises DataError for one of another format."""
        try:
            if document["format"] != FORMAT:
                raise DataError(f"The reference has format {document['format']}; this version reads {FORMAT}.")
            fields = {name: value for name, value in document.items() if name != "format"}
            fields["columns"] = {name: Profile.from_dict(found) for name, found in document["columns"].items()}
            fields["score"] = Profile.from_dict(document["score"]) if document["score"] else None
            fields["alert_share"] = {int(d): (float(v[0]), float(v[1])) for d, v in document["alert_share"].items()}
            fields["announced"] = tuple(map(float, document["announced"])) if document["announced"] else None
            return cls(**fields)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(f"The reference of the model cannot be read ({error!r}); it is made anew.") from error


def profile_of(
    values: NDArray[Any], occurred_at: NDArray[np.int64], clusters: Sequence[NDArray[np.int64]], *, categorical: bool
) -> Profile:
    """The profile of a column's values (float [N], or object [N] for categories; NaN or None for absent).

    `occurred_at` int64 [N]: epoch ms. `clusters`: codes int64 [N] of each row's card, merchant and so on.
    """
    bins = bins_of(values, categorical=categorical)
    place, day = bins.place(values), _days(occurred_at)
    counts = np.bincount(place, minlength=bins.size)
    absent = (place == bins.size - 1).astype(np.int64)
    return Profile(
        bins=bins,
        counts=tuple(int(count) for count in counts),
        usual=usual_psi(place, bins.size, day, clusters),
        most_absent={days: high for days, (_, high) in share_range(absent, day).items()},
    )


def share_range(flag: NDArray[np.int64], day: NDArray[np.int64]) -> dict[int, tuple[float, float]]:
    """The least and the largest share of flagged rows (0 or 1, int64 [N]) of any window, by its length in days."""
    days = int(day.max(initial=-1)) + 1
    daily = counts_by(day, days, flag, 2)
    found = {}
    for length in WINDOW_DAYS:
        if days >= 2 * length:
            cumulated = np.concatenate([np.zeros((1, 2), np.int64), np.cumsum(daily, axis=0)])
            windows = cumulated[length:] - cumulated[:-length]
            shares = windows[:, 1] / np.maximum(windows.sum(axis=1), 1)
            found[length] = (float(shares.min()), float(shares.max()))
    return found


def alert_range(alert: NDArray[np.bool_], occurred_at: NDArray[np.int64]) -> dict[int, tuple[float, float]]:
    """The least and the largest share of alerts of any window, by its length in days."""
    return share_range(alert.astype(np.int64), _days(occurred_at))


def window_of(occurred_at: NDArray[np.int64]) -> Window:
    """The whole UTC days from the first row's to the last one's."""
    return Window(int(occurred_at.min()) // DAY_MS * DAY_MS, (int(occurred_at.max()) // DAY_MS + 1) * DAY_MS)


def _days(occurred_at: NDArray[np.int64]) -> NDArray[np.int64]:
    day = occurred_at // DAY_MS
    return np.asarray(day - day.min(initial=np.iinfo(np.int64).max), dtype=np.int64)


def _text(numbers: Mapping[int, float]) -> dict[str, float]:
    return {str(key): value for key, value in numbers.items()}


def _numbers(document: Mapping[str, float]) -> dict[int, float]:
    return {int(key): float(value) for key, value in document.items()}
