import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from paywarden.evaluation.ranking import FALSE_POSITIVE_RATES, Ranking

ROWS = st.lists(st.tuples(st.booleans(), st.integers(-4, 4), st.integers(0, 3)), min_size=2, max_size=60)


def columns(rows):
    target, raw, weight = (np.array(column) for column in zip(*rows, strict=True))
    return target.astype(bool), raw.astype(float), weight.astype(float)


@given(ROWS, st.booleans(), st.floats(0.1, 7.0))
def test_figures_are_those_of_scikit_learn(rows, weighted, scale):
    target, raw, weight = columns(rows)
    weight = weight * scale if weighted else np.ones(len(rows))
    found = Ranking(target, raw).figures(weight if weighted else None)
    frauds, genuine = weight[target].sum(), weight[~target].sum()
    if not frauds:
        assert (found.average_precision, found.roc_auc, found.recall_at) == (None, None, (None,) * 3)
        return
    assert found.average_precision == pytest.approx(
        average_precision_score(target, raw, sample_weight=weight), rel=1e-12
    )
    if not genuine:
        assert found.roc_auc is None
        return
    assert found.roc_auc == pytest.approx(roc_auc_score(target, raw, sample_weight=weight), rel=1e-12, abs=1e-15)
    alarms, recall, _ = roc_curve(target, raw, drop_intermediate=False, sample_weight=weight)
    assert found.recall_at == pytest.approx([recall[alarms <= rate].max() for rate in FALSE_POSITIVE_RATES])


@given(ROWS)
def test_a_weight_is_a_row_repeated(rows):
    target, raw, weight = columns(rows)
    times = weight.astype(int)
    repeated = Ranking(np.repeat(target, times), np.repeat(raw, times)).figures(None, (0.0, 0.3, 1.0))
    weighted = Ranking(target, raw).figures(weight, (0.0, 0.3, 1.0))
    assert weighted.average_precision == pytest.approx(repeated.average_precision)
    assert weighted.roc_auc == pytest.approx(repeated.roc_auc)
    assert weighted.recall_at == pytest.approx(repeated.recall_at)
