import numpy as np
import pyarrow as pa
import pytest

from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.monitoring.labels import delay_curves

HORIZON = 8 * DAY_MS


def labels(occurred_day, delay_days):
    occurred_at = np.asarray(occurred_day) * DAY_MS
    received_at = occurred_at + (np.asarray(delay_days) * DAY_MS).astype(np.int64)
    return pa.table({"occurred_at": occurred_at, "received_at": received_at, "is_fraud": [True] * len(occurred_at)})


def test_curves_are_the_share_that_has_come_by_an_age():
    """Before, labels came on the day; of late half of them take four days. One after the horizon counts nowhere."""
    table = labels([10] * 40 + [90] * 40 + [10], [0.5] * 40 + [0.5, 4.0] * 20 + [9.0])
    found = delay_curves(table, Window(0, 50 * DAY_MS), 100 * DAY_MS, HORIZON)
    assert found.days[0] == 0
    assert found.days[-1] == 8
    at = {day: place for place, day in enumerate(found.days)}
    assert [found.before[at[day]] for day in (0, 1, 4, 8)] == [0, 1, 1, 1]
    assert [found.late[at[day]] for day in (0, 1, 4, 8)] == pytest.approx([0, 0.5, 1, 1])


def test_too_few_labels_make_no_curve():
    assert delay_curves(labels([10] * 40 + [90], [0.5] * 41), Window(0, 50 * DAY_MS), 100 * DAY_MS, HORIZON) is None
