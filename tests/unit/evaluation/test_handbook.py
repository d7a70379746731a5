"""The handbook's protocol against its own words, by plain loops, on a small made-up stream of the same months."""

from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from paywarden.errors import DataError
from paywarden.evaluation.handbook import (
    PUBLISHED,
    TEST_FOLDS,
    VALIDATION_FOLDS,
    HandbookFigures,
    figures_of,
    rows_of_test,
    rows_of_training,
    summary,
)

DAY = 86_400_000
JUNE = int(datetime(2018, 6, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def stream():
    """Times, cards and frauds of three and a half months."""
    rng = np.random.default_rng(5)
    at = np.sort(JUNE + rng.integers(0, 105 * DAY, 6_000))
    return at, rng.integers(0, 300, 6_000), rng.random(6_000) < 0.02


def naive_rows_of_test(fold, at, card, fraud):
    """As in the handbook's get_train_test_set: train week, delay week, then day by day."""
    day = (at - fold.start) // DAY
    known = {c for c, d, f in zip(card, day, fraud, strict=True) if f and 0 <= d < 7}
    chosen = []
    for k in range(7):
        known |= {c for c, d, f in zip(card, day, fraud, strict=True) if f and d == 7 + k - 1}
        chosen += [i for i in range(len(at)) if day[i] == 14 + k and card[i] not in known]
    return sorted(chosen)


def naive_card_precision(target, raw, card, at):
    """As in the handbook's card_precision_top_k."""
    found, daily = set(), []
    for day in sorted({t // DAY for t in at}):
        highest, compromised = {}, {}
        for t, r, c, a in zip(target, raw, card, at, strict=True):
            if a // DAY == day and c not in found:
                highest[c], compromised[c] = max(highest.get(c, -np.inf), r), compromised.get(c, False) or t
        top = sorted(highest, key=lambda c: -highest[c])[:100]
        hits = {c for c in top if compromised[c]}
        found |= hits
        daily.append(len(hits) / 100)
    return np.mean(daily)


def test_the_weeks_are_the_handbooks():
    assert [fold.name for fold in TEST_FOLDS] == ["2018-08-29", "2018-08-22", "2018-08-15", "2018-08-08"]
    assert [fold.name for fold in VALIDATION_FOLDS] == ["2018-07-25", "2018-07-18", "2018-07-11", "2018-07-04"]


def test_no_label_of_a_validation_fold_arrives_after_a_test_fold_has_begun():
    latest = max(fold.test.end for fold in VALIDATION_FOLDS) + 7 * DAY
    assert latest <= min(fold.test.start for fold in TEST_FOLDS)


@pytest.mark.parametrize("fold", [*TEST_FOLDS, *VALIDATION_FOLDS], ids=lambda fold: fold.name)
def test_rows_of_test_are_those_of_the_definition(stream, fold):
    at, card, fraud = stream
    expected = naive_rows_of_test(fold, at, card, fraud)
    assert rows_of_test(fold, at, card, fraud).tolist() == expected
    in_week = int(((at >= fold.test.start) & (at < fold.test.end)).sum())
    assert 0 < len(expected) < in_week  # the rule leaves some out


def test_longer_training_ends_on_the_same_day(stream):
    at, *_ = stream
    week, longer = (at[rows_of_training(TEST_FOLDS[0], at, days)] for days in (7, 30))
    assert week.max() == longer.max()
    assert longer.min() < TEST_FOLDS[0].start <= week.min()
    assert week.max() < TEST_FOLDS[0].test.start - 7 * DAY


def test_figures_are_those_of_the_definition(stream):
    at, card, fraud = stream
    rows = rows_of_test(TEST_FOLDS[0], at, card, fraud)
    raw = np.random.default_rng(1).normal(size=len(rows)) + 1.5 * fraud[rows]
    figures = figures_of(fraud[rows], raw, card[rows], at[rows], np.full(len(rows), 0.25))
    assert figures.average_precision == pytest.approx(average_precision_score(fraud[rows], raw))
    assert figures.roc_auc == pytest.approx(roc_auc_score(fraud[rows], raw))
    assert figures.card_precision == pytest.approx(naive_card_precision(fraud[rows], raw, card[rows], at[rows]))
    assert figures.brier == pytest.approx(np.where(fraud[rows], 0.75**2, 0.25**2).mean())


def test_another_file_is_refused_with_a_remedy():
    with pytest.raises(DataError, match="--mapping"):
        rows_of_training(TEST_FOLDS[0], np.array([JUNE]))
    with pytest.raises(DataError, match="no fraud"):
        figures_of(np.zeros(3, bool), np.arange(3.0), np.arange(3), np.full(3, JUNE))


def test_deviation_is_the_populations_and_what_is_not_known_is_left_out():
    found = summary([HandbookFigures(0.5, 0.2, 0.9), HandbookFigures(0.7, 0.4, 0.9)])
    assert found["average_precision"] == pytest.approx({"mean": 0.6, "sd": 0.1})
    assert "brier" not in found
    assert summary([]) == {}
    assert PUBLISHED["XGBoost"].average_precision == 0.687
