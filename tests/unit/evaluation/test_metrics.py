import json
from dataclasses import replace

import numpy as np
import pytest

from paywarden.evaluation.metrics import (
    average_precision,
    calibration_error,
    evaluate,
    recall_at_false_positive_rate,
    roc_auc,
)
from paywarden.evaluation.predictions import Predictions

DAY = 86_400_000


def predictions(target, raw, score=None, amount=None, pattern=None):
    rows = len(target)
    return Predictions(
        target=np.array(target, dtype=bool),
        raw=np.array(raw, dtype=float),
        score=np.array(raw if score is None else score, dtype=float),
        occurred_at=np.arange(rows) * DAY // 2,
        card=np.arange(rows),
        amount=np.array([100] * rows if amount is None else amount, dtype=np.int64),
        pattern=np.array([None] * rows if pattern is None else pattern, dtype=object),
    )


def test_figures_by_hand():
    metrics = evaluate(
        predictions(
            target=[1, 0, 1, 0, 1, 0],
            raw=[0.9, 0.8, 0.7, 0.4, 0.2, 0.1],
            amount=[100, 999, 300, 999, 400, 999],
            pattern=["cloned", None, "stolen", None, None, None],
        ),
        threshold=0.7,
        cards_a_day=1,
    )
    assert (metrics.rows, metrics.frauds, metrics.alerts, metrics.alerts_per_day) == (6, 3, 3, 1.0)
    assert metrics.precision == pytest.approx(2 / 3)
    assert metrics.recall == pytest.approx(2 / 3)
    assert metrics.f1 == pytest.approx(2 / 3)
    assert metrics.accuracy == pytest.approx(4 / 6)
    assert metrics.average_precision == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert metrics.roc_auc == pytest.approx((3 + 2 + 1) / 9)
    assert metrics.brier == pytest.approx((0.01 + 0.64 + 0.09 + 0.16 + 0.64 + 0.01) / 6)
    assert metrics.value_detected == pytest.approx(400 / 800)
    assert metrics.card_precision == pytest.approx(1.0)
    assert metrics.recall_by_pattern == {"cloned": 1.0, "stolen": 1.0, "unnamed": 0.0}
    assert metrics.frauds_by_pattern == {"cloned": 1, "stolen": 1, "unnamed": 1}


def test_what_is_undefined_is_null_not_zero():
    genuine = evaluate(predictions([0, 0], [0.1, 0.2]), threshold=1.0)
    for name in ("average_precision", "roc_auc", "recall_at_1pct_fpr", "precision", "recall", "f1", "value_detected"):
        assert getattr(genuine, name) is None
    assert genuine.accuracy == 1.0
    empty = evaluate(predictions([], []), threshold=1.0)
    assert empty.brier is empty.calibration_error is empty.card_precision is empty.alerts_per_day is None
    assert json.loads(json.dumps(empty.to_dict(), allow_nan=False))["rows"] == 0


def test_no_alert_hits_give_an_f1_of_zero():
    assert evaluate(predictions([1, 0], [0.1, 0.9]), threshold=0.5).f1 == 0.0


def test_recall_at_one_percent_false_positives():
    raw = np.concatenate([np.arange(200.0), [197.5, 198.5, 50.5]])  # 200 genuine, three frauds
    target = np.arange(203) >= 200
    assert recall_at_false_positive_rate(target, raw, 0.01) == pytest.approx(2 / 3)  # above the 2 highest genuine
    assert recall_at_false_positive_rate(target, raw, 0.004) == pytest.approx(0.0)
    assert recall_at_false_positive_rate(target, raw, 1.0) == 1.0


def test_calibration_error_weighs_gaps_by_rows():
    score = np.array([0.1] * 10 + [0.5] * 10)
    target = np.array([True] * 2 + [False] * 8 + [True] * 4 + [False] * 6)
    assert calibration_error(target, score) == pytest.approx((0.1 + 0.1) / 2)
    honest = np.array([True] + [False] * 9 + [True] * 5 + [False] * 5)
    assert calibration_error(honest, score) == pytest.approx(0.0)


def test_ranking_needs_both_classes():
    assert average_precision(np.zeros(2, bool), np.zeros(2)) is None
    assert average_precision(np.ones(2, bool), np.zeros(2)) == 1.0
    assert roc_auc(np.ones(2, bool), np.zeros(2)) is None


def test_a_weight_counts_a_row_so_often():
    times = np.array([1, 3, 2, 1, 2, 1])
    target, raw = np.array([1, 0, 1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.4, 0.2, 0.1])
    weighted = evaluate(replace(predictions(target, raw), weight=times.astype(np.float32)), 0.7)
    repeated = evaluate(predictions(np.repeat(target, times), np.repeat(raw, times)), 0.7)
    for name in ("average_precision", "roc_auc", "precision", "recall", "f1", "accuracy", "brier", "value_detected"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name))
    assert weighted.money_saved == pytest.approx(repeated.money_saved)
    assert weighted.false_positives_per_fraud == pytest.approx(3 / 3)


def test_segments_by_hand():
    rows = 60
    some = replace(
        predictions([1, 0, 0] * 20, [3.0, 1.0, 2.0] * 20, pattern=["cloned", None, None] * 20),
        segments={"channel": np.array(["online", "online", "shop"] * 20, dtype=object)},
    )
    metrics = evaluate(some, 1.5, resamples=10)
    online, shop = metrics.segments["channel"]["online"], metrics.segments["channel"]["shop"]
    assert (online.rows, online.frauds, online.alerts, online.precision, online.recall) == (40, 20, 20, 1.0, 1.0)
    assert (shop.rows, shop.frauds, shop.alerts, shop.precision, shop.recall) == (20, 0, 20, 0.0, None)
    assert online.money_saved + shop.money_saved == pytest.approx(metrics.money_saved)
    assert set(online.intervals) == {"average_precision", "precision", "recall", "value_detected", "money_saved"}
    assert shop.intervals == {}
    cloned = metrics.segments["pattern"]["cloned"]
    assert (cloned.rows, cloned.frauds, cloned.recall, cloned.precision, cloned.money_saved) == (
        20,
        20,
        1.0,
        None,
        None,
    )
    assert cloned.average_precision == 1.0
    assert metrics.rows == rows
