import numpy as np

from paywarden.evaluation.metrics import average_precision
from paywarden.evaluation.predictions import Predictions
from paywarden.training.floor import floor_predictions


def test_the_floor_learns_what_amount_and_time_tell(dataset):
    at_night = dataset.occurred_at % 86_400_000 < 6 * 3_600_000
    target = at_night & (dataset.amount > 12_000)
    rows = np.arange(len(dataset))
    later = rows[4000:]
    test = Predictions(
        target=target[later],
        raw=np.zeros(len(later)),
        score=np.zeros(len(later)),
        occurred_at=dataset.occurred_at[later],
        card=dataset.card[later],
        amount=dataset.amount[later],
        pattern=np.full(len(later), None, dtype=object),
    )
    floor = floor_predictions(dataset, rows[:4000], target[:4000], test)
    assert average_precision(test.target, floor.raw) > 2.0 * test.target.mean()
    assert abs(floor.score.mean() - test.target.mean()) < 0.3 * test.target.mean()
    assert np.array_equal(floor.target, test.target)
    again = floor_predictions(dataset, rows[:4000], target[:4000], test)
    assert np.array_equal(again.raw, floor.raw)
