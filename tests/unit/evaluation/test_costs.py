import numpy as np
import pytest

from paywarden.errors import ConfigurationError
from paywarden.evaluation.costs import CostMatrix, money_saved
from paywarden.evaluation.predictions import Predictions


def test_a_fraud_costs_its_share_of_the_amount_and_the_fee():
    losses = CostMatrix(loss_share=0.5, chargeback_fee=20).fraud_loss(np.array([100, 0]))
    assert losses.tolist() == [70.0, 20.0]


@pytest.mark.parametrize(
    "wrong", [{"review_cost": -1}, {"chargeback_fee": float("nan")}, {"loss_share": 1.1}, {"recovered_share": -0.1}]
)
def test_impossible_costs_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        CostMatrix(**wrong)


def scored(weight=None):
    return Predictions(
        target=np.array([True, False, True, False, True]),
        raw=np.array([5.0, 4.0, 3.0, 2.0, 1.0]),
        score=np.full(5, 0.5),
        occurred_at=np.zeros(5, np.int64),
        card=np.arange(5),
        amount=np.array([100, 200, 300, 400, 500]),
        pattern=np.full(5, None, dtype=object),
        weight=weight,
    )


def test_money_saved_against_approving_everything():
    costs = CostMatrix(review_cost=10, false_decline_cost=70, loss_share=0.5, chargeback_fee=20, recovered_share=0.8)
    reviewed = 0.8 * (50 + 20) + 0.8 * (150 + 20) - 3 * 10
    assert money_saved(scored(), 3.0, costs) == pytest.approx(reviewed)
    declined = (50 + 20) - 70 + 0.8 * (150 + 20) - 10
    assert money_saved(scored(), 3.0, costs, decline_threshold=4.0) == pytest.approx(declined)
    assert money_saved(scored(), 9.0, costs) == 0.0


def test_a_row_that_stands_for_several_saves_as_often():
    costs = CostMatrix(review_cost=10, chargeback_fee=0)
    twice = np.array([2, 1, 1, 1, 1], dtype=np.float32)
    assert money_saved(scored(twice), 5.0, costs) == pytest.approx(2 * 90)
    assert money_saved(scored(twice), 5.0, costs, np.array([3, 0, 0, 0, 0])) == pytest.approx(6 * 90)
