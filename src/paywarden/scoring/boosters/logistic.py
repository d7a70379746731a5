"""Logistic regression in JSON: what the boosters must beat, and a model that can be read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import BundleError
from paywarden.scoring.canonical import canonical_bytes, parse_canonical, require_keys

FARTHEST: Final = 10.0
"""Standardised values end at so many deviations: one absurd amount must not outvote all other inputs."""


@dataclass(frozen=True)
class LogisticBooster:
    """A :class:`~paywarden.scoring.boosters.Booster` of one term a column, F aligned numbers each.

    An absent value counts as the column's `median`. The value less the `mean`, in units of `scale`, times the
    `coefficient` is the column's contribution; with the `intercept`, which is the margin of a row of means, they sum to
    the margin. Raises BundleError where the numbers do not fit together.
    """

    median: tuple[float, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coefficient: tuple[float, ...]
    intercept: float

    kind = "logistic"

    def __post_init__(self) -> None:
        columns = (self.median, self.mean, self.scale, self.coefficient)
        finite = np.isfinite([self.intercept, *(value for column in columns for value in column)]).all()
        if len({len(column) for column in columns}) != 1 or not finite or any(scale <= 0.0 for scale in self.scale):
            raise BundleError("booster.json holds no logistic regression of as many finite terms. Train again.")

    @classmethod
    def from_bytes(cls, content: bytes, _threads: int = 1) -> LogisticBooster:
        """The model read from its canonical JSON. Raises BundleError where it is none."""
        document = parse_canonical("booster.json", content)
        require_keys("booster.json", document, {"coefficient", "intercept", "mean", "median", "scale"})
        try:
            columns = {name: tuple(map(float, document[name])) for name in document if name != "intercept"}
            return cls(**columns, intercept=float(document["intercept"]))
        except (TypeError, ValueError, OverflowError) as error:
            raise BundleError(f"booster.json is not a logistic regression ({error!r}). Train again.") from error

    @property
    def feature_count(self) -> int:
        """The number of columns that the model expects."""
        return len(self.coefficient)

    def predict_margin(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores in log-odds of fraud, float64 [N], of float32 features [N, F]."""
        # A sum along rows, not a matrix product: the bits of that depend on how many rows there are.
        return self.contributions(features).sum(axis=1)

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """What each column adds to the log-odds, float64 [n, F+1], of float32 features [n, F]; the last is the bias."""
        terms = standardised(features, *map(np.array, (self.median, self.mean, self.scale))) * np.array(
            self.coefficient
        )
        return np.column_stack([terms, np.full(len(terms), self.intercept)])

    def to_bytes(self) -> bytes:
        """The model as canonical JSON."""
        document: dict[str, Any] = asdict(self)
        return canonical_bytes({**document, **{n: list(v) for n, v in document.items() if isinstance(v, tuple)}})


def standardised(
    features: NDArray[np.float32],
    median: NDArray[np.float64],
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Features (float32 [n, F], NaN absent) in deviations from their mean, float64 [n, F]."""
    present = np.where(np.isnan(features), median, features.astype(np.float64))
    standard: NDArray[np.float64] = np.clip((present - mean) / scale, -FARTHEST, FARTHEST)
    return standard
