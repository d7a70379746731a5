"""From a raw score to a decision: thresholds chosen on validation data, stored in the bundle, used by every runner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError
from paywarden.scoring.canonical import canonical_bytes, sha256_hex

APPROVE: Final = 0
REVIEW: Final = 1
DECLINE: Final = 2
DECISIONS: Final = ("approve", "review", "decline")
"""The words of the codes above, by code."""


@dataclass(frozen=True)
class Policy:
    """Two thresholds on the raw score (log-odds, before calibration): at or above one, its decision is taken.

    `decline_threshold` None means that nothing is declined. Raises ConfigurationError for a threshold that is not
    finite, or a decline threshold below the review threshold.
    """

    review_threshold: float
    decline_threshold: float | None = None

    def __post_init__(self) -> None:
        # A sum with 0.0 turns an integer into a float and -0.0 into 0.0: one digest for one policy.
        object.__setattr__(self, "review_threshold", self.review_threshold + 0.0)
        if self.decline_threshold is not None:
            object.__setattr__(self, "decline_threshold", self.decline_threshold + 0.0)
        if not math.isfinite(self.review_threshold) or not math.isfinite(self.decline_threshold or 0.0):
            raise ConfigurationError(f"Policy thresholds must be finite numbers: got {self}. Correct the policy.")
        if self.decline_threshold is not None and self.decline_threshold < self.review_threshold:
            raise ConfigurationError(
                f"The decline threshold {self.decline_threshold} lies below the review threshold "
                f"{self.review_threshold}. Raise it, or leave it out to decline nothing."
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the policy's canonical JSON: equal policies, equal digests."""
        return sha256_hex(canonical_bytes(self.to_dict()))

    def decide(self, raw: NDArray[np.float64]) -> NDArray[np.int8]:
        """The decision codes (int8 [N]: 0 approve, 1 review, 2 decline) of raw scores (float64 [N]).

        A score that is not a number goes to review: nothing is approved for want of a score.
        """
        raw = np.asarray(raw, dtype=np.float64)
        decision = np.where(raw < self.review_threshold, APPROVE, REVIEW).astype(np.int8)
        if self.decline_threshold is not None:
            decision[raw >= self.decline_threshold] = DECLINE
        return decision

    def to_dict(self) -> dict[str, Any]:
        """The policy as a JSON document."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Policy:
        """The policy that `to_dict` wrote. Raises ConfigurationError for unknown keys or words for numbers."""
        try:
            return cls(**document)
        except TypeError as error:
            raise ConfigurationError(
                f"The policy cannot be read ({error}). Its keys are the two thresholds."
            ) from error
