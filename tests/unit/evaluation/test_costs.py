import numpy as np
import pytest

from paywarden.errors import ConfigurationError
from paywarden.evaluation.costs import CostMatrix


def test_a_fraud_costs_its_share_of_the_amount_and_the_fee():
    losses = CostMatrix(loss_share=0.5, chargeback_fee=20).fraud_loss(np.array([100, 0]))
    assert losses.tolist() == [70.0, 20.0]


@pytest.mark.parametrize(
    "wrong", [{"review_cost": -1}, {"chargeback_fee": float("nan")}, {"loss_share": 1.1}, {"recovered_share": -0.1}]
)
def test_impossible_costs_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        CostMatrix(**wrong)
