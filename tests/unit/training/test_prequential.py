import dataclasses

import pytest

from paywarden.evaluation.splits import DAY_MS, choose_split, prequential
from paywarden.training.prequential import Spread, fold_rows, spread, train_folds
from paywarden.training.trainer import train


def test_folds_are_trained_from_scratch_and_their_figures_spread(dataset, settings):
    start = int(dataset.occurred_at.min())
    split = choose_split(start, dataset.as_of, dataset.label_delay_ms)
    splits = prequential(split, 2, start, 2 * DAY_MS)
    said = []
    results = train_folds(dataset, splits, settings, said.append)
    assert [result.bundle.digest for result in results] == [
        train(dataset, own, settings).bundle.digest for own in splits
    ]
    assert "fold 2 of 2" in said
    first, last = (result.test.average_precision for result in results)
    found = spread(results)["average_precision"]
    assert found.mean == pytest.approx((first + last) / 2)
    assert found.deviation == pytest.approx(abs(first - last) / 2**0.5)
    assert "recall_by_pattern" not in spread(results)
    rows = fold_rows(splits, results)
    assert [row["average_precision"] for row in rows] == [first, last, found.mean, found.deviation]
    assert rows[0]["test window"] < rows[1]["test window"]


def test_a_figure_that_some_folds_lack_is_spread_over_the_others(dataset, settings):
    split = choose_split(int(dataset.occurred_at.min()), dataset.as_of, dataset.label_delay_ms)
    result = train(dataset, split, settings)
    without = dataclasses.replace(result, test=dataclasses.replace(result.test, card_precision=None))
    assert spread([result, without])["card_precision"] == Spread(result.test.card_precision, None, 1)
    assert spread([]) == {}
