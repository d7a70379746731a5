"""From a raw score to a decision: thresholds chosen on validation data, stored in the bundle, used by every runner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError, ContractMismatch
from paywarden.features.hashing import hash_strings
from paywarden.scoring.canonical import canonical_bytes, sha256_hex

APPROVE: Final = 0
REVIEW: Final = 1
DECLINE: Final = 2
DECISIONS: Final = ("approve", "review", "decline")
"""The words of the codes above, by code."""


@dataclass(frozen=True)
class Policy:
    """Two thresholds on the raw score (log-odds, before calibration): at or above one, its decision is taken.

    `decline_threshold` None means that nothing is declined. Of what would be declined, `let_through_share` (0 to below
    1) is let through, chosen by a hash of the transaction's id under the policy's digest: at random to whoever sends
    transactions, and the same in every runner and on every retry. It goes to review, not to approval: the payment
    happens, so that its outcome is seen, and a fraud among the highest scores is stopped by an analyst before it is
    followed by others. Raises ConfigurationError for a threshold that is not finite, a decline threshold below the
    review threshold, or a share out of range.
    """

    review_threshold: float
    decline_threshold: float | None = None
    let_through_share: float = 0.0

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
        if not 0.0 <= self.let_through_share < 1.0:
            raise ConfigurationError(
                f"let_through_share is {self.let_through_share}. Give a share from 0 to below 1 of what is declined."
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

    def let_through(self, decision: NDArray[np.int8], transaction_ids: pa.Array | None) -> NDArray[np.float64]:
        """The propensity of each decision, float64 [N]; declines that are let through become reviews in `decision`.

        A propensity is the share where a transaction was let through, else 1. Ids (string [N], none null) are needed
        only where the share is above 0; ContractMismatch is raised where they are missing.
        """
        propensity = np.ones(len(decision), dtype=np.float64)
        if self.let_through_share == 0.0:
            return propensity
        if transaction_ids is None:
            raise ContractMismatch("A policy that lets a share of declines through decides by the transactions' ids.")
        rows = np.flatnonzero(decision == DECLINE)
        chosen = rows[self._draws(transaction_ids.take(pa.array(rows))) < self.let_through_share]
        decision[chosen] = REVIEW
        propensity[chosen] = self.let_through_share
        return propensity

    def _draws(self, transaction_ids: pa.Array) -> NDArray[np.float64]:
        """A number from 0 to below 1 for each id: the upper 53 bits of its hash."""
        hashes = hash_strings(pa.array([f"{self.digest}\0{name}" for name in transaction_ids.to_pylist()], pa.string()))
        return (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53

    def to_dict(self) -> dict[str, Any]:
        """The policy as a JSON document; a share of 0 is left out, so that such a policy keeps its digest."""
        document = asdict(self)
        return document if self.let_through_share else {k: v for k, v in document.items() if k != "let_through_share"}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Policy:
        """The policy that `to_dict` wrote. Raises ConfigurationError for unknown keys or words for numbers."""
        try:
            return cls(**document)
        except TypeError as error:
            raise ConfigurationError(
                f"The policy cannot be read ({error}). Its keys are the two thresholds and the share."
            ) from error
