"""What decisions on past payments come to: alerts, frauds caught, good money hindered, money saved."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.costs import CostMatrix
from paywarden.scoring.policy import APPROVE, DECISIONS, DECLINE, REVIEW


@dataclass(frozen=True)
class Outcome:
    """What a policy comes to, or by how much two differ. Amounts are minor units of the base currency.

    ``alerts`` are reviews and declines; ``frauds_caught``, ``fraud_amount_caught`` those among them; a false positive
    is an alert on a payment that no label calls fraud, ``genuine_amount_hindered`` the amount of these.
    ``money_saved`` is by the cost matrix, against approving all.
    """

    alerts: int
    reviews: int
    declines: int
    frauds_caught: int
    fraud_amount_caught: int
    false_positives: int
    genuine_amount_hindered: int
    declined_genuine: int
    money_saved: float

    def __sub__(self, other: Outcome) -> Outcome:
        """By how much this one is more."""
        former = asdict(other)
        return Outcome(**{name: value - former[name] for name, value in asdict(self).items()})


def outcome_of(
    decision: NDArray[np.int8], fraud: NDArray[np.bool_], amount: NDArray[np.int64], costs: CostMatrix
) -> Outcome:
    """What decisions (codes, int8 [N]) on payments of these amounts come to."""
    alert, declined = decision != APPROVE, decision == DECLINE
    gain = np.where(decision == REVIEW, costs.review_gain(fraud, amount), 0.0)
    gain = np.where(declined, costs.decline_gain(fraud, amount), gain)
    return Outcome(
        alerts=int(alert.sum()),
        reviews=int((decision == REVIEW).sum()),
        declines=int(declined.sum()),
        frauds_caught=int((alert & fraud).sum()),
        fraud_amount_caught=int(amount[alert & fraud].sum()),
        false_positives=int((alert & ~fraud).sum()),
        genuine_amount_hindered=int(amount[alert & ~fraud].sum()),
        declined_genuine=int((declined & ~fraud).sum()),
        money_saved=float(gain.sum()),
    )


def changes_between(before: NDArray[np.int8], after: NDArray[np.int8]) -> dict[str, int]:
    """How many decisions went from which to which: "approve to review"."""
    return {
        f"{DECISIONS[a]} to {DECISIONS[b]}": int(((before == a) & (after == b)).sum())
        for a in range(3)
        for b in range(3)
        if a != b and ((before == a) & (after == b)).any()
    }
