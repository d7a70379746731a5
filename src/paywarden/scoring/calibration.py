"""From a raw log-odds score to a probability: two calibrators behind one small interface.

Fitting is the training room's work; what is kept here is a handful of numbers and how they are applied. Both are
monotone, so calibration never reorders transactions, and the policy's thresholds stay on the raw score.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from paywarden.errors import BundleError


class Calibrator(Protocol):
    """A monotone map from raw scores (float64 log-odds [N]) to probabilities of fraud (float64 [N], 0 to 1)."""

    def apply(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probabilities, row by row; a row's value does not depend on its neighbours."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The calibrator as a JSON document, which `calibrator_from_dict` reads back."""
        ...


@dataclass(frozen=True)
class PlattCalibrator:
    """Probability = 1 / (1 + exp(-(slope × raw + intercept))).

    Source: J. Platt, Probabilistic outputs for support vector machines (1999). The slope is above 0.
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (self.slope > 0 and math.isfinite(self.slope) and math.isfinite(self.intercept)):
            raise BundleError(f"A Platt calibrator needs a finite slope above 0: got {self}. Train the model again.")

    def apply(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probabilities of the raw scores."""
        # scipy's expit works value by value; numpy's exp may round a vector's tail differently from its body.
        return np.asarray(expit(self.slope * np.asarray(raw, dtype=np.float64) + self.intercept), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """`{"kind": "platt", "slope": …, "intercept": …}`."""
        return {"kind": "platt", "slope": float(self.slope), "intercept": float(self.intercept)}


@dataclass(frozen=True)
class IsotonicCalibrator:
    """Linear interpolation between knots (raw score, probability), constant beyond the outermost ones.

    Source: B. Zadrozny and C. Elkan, Transforming classifier scores into accurate probability estimates (2002).
    """

    raw: tuple[float, ...]
    probability: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in itertools.pairwise(self.raw))
        monotone = all(a <= b for a, b in itertools.pairwise(self.probability))
        within = all(0.0 <= p <= 1.0 for p in self.probability) and all(math.isfinite(r) for r in self.raw)
        if not (self.raw and len(self.raw) == len(self.probability) and rising and monotone and within):
            raise BundleError("Isotonic knots must rise in raw score and lie within 0 and 1. Train the model again.")

    def apply(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probabilities of the raw scores."""
        return np.interp(np.asarray(raw, dtype=np.float64), self.raw, self.probability)

    def to_dict(self) -> dict[str, Any]:
        """`{"kind": "isotonic", "raw": […], "probability": […]}`."""
        return {"kind": "isotonic", "raw": list(self.raw), "probability": list(self.probability)}


def calibrator_from_dict(document: Mapping[str, Any]) -> Calibrator:
    """The calibrator that `to_dict` wrote. Raises BundleError for an unknown kind or numbers out of range."""
    fields = {key: value for key, value in document.items() if key != "kind"}
    try:
        if document.get("kind") == "platt":
            return PlattCalibrator(**{key: float(value) for key, value in fields.items()})
        if document.get("kind") == "isotonic":
            return IsotonicCalibrator(**{key: tuple(map(float, value)) for key, value in fields.items()})
    except (TypeError, ValueError) as error:
        raise BundleError(f"The bundle's calibrator cannot be read ({error}). Train the model again.") from error
    raise BundleError(f"Unknown calibrator {document.get('kind')!r} in the bundle. Update Paywarden, or train again.")
