"""The job on a small made-up file of the handbook's months: what is reported, and what a second run need not repeat."""

import json
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest

from paywarden.errors import ConfigurationError, DataError
from paywarden.evaluation.splits import DAY_MS
from paywarden.jobs import evaluate_handbook as job
from paywarden.jobs.evaluate_handbook import HandbookPlan, evaluate_handbook, their_figures
from paywarden.training.dataset import build_dataset
from paywarden.training.imbalance import STRATEGIES

JUNE_MS = 1_527_811_200_000
ROWS = 8_000
QUICK = MappingProxyType({"xgboost": {"max_rounds": 5, "early_stopping_rounds": 0}})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(job, "CHOSEN", QUICK)


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(3)
    at = np.sort(JUNE_MS + rng.integers(0, 110 * DAY_MS, ROWS))
    fraud = rng.random(ROWS) < 0.04
    ids = [str(number) for number in range(ROWS)]
    cards = pa.array([f"c{number}" for number in rng.integers(0, 900, ROWS)])
    amounts = rng.integers(100, 9_000, ROWS)
    transactions = {"transaction_id": ids, "occurred_at": at, "amount_base": amounts, "entity_card": cards}
    labels = {
        "transaction_id": [own for own, is_fraud in zip(ids, fraud, strict=True) if is_fraud],
        "is_fraud": np.ones(fraud.sum(), bool),
        "labelled_at": at[fraud] + 7 * DAY_MS,
        "received_at": at[fraud] + 7 * DAY_MS,
        "source": ["chargeback"] * int(fraud.sum()),
    }
    features = (rng.normal(size=(ROWS, 3)) + 2.0 * fraud[:, None]).astype(np.float32)
    features[rng.random((ROWS, 3)) < 0.1] = np.nan
    return build_dataset(
        pa.table(transactions),
        pa.table(labels),
        features,
        feature_names=("a", "b", "c"),
        contract_digest="contract",
        state_layout_digest="layout",
        as_of=JUNE_MS + 200 * DAY_MS,
        label_delay_ms=7 * DAY_MS,
    )


def test_every_strategy_is_reported_and_finished_cells_are_used_again(dataset, tmp_path, monkeypatch):
    plan = HandbookPlan(("xgboost",))
    said = []
    first = evaluate_handbook(dataset, "digest", tmp_path, plan, say=said.append)
    report = first[0].read_bytes()
    own = json.loads(report)["results"]["xgboost"]
    assert sorted(own) == sorted(STRATEGIES)
    assert all(len(found["folds"]) == 4 and found["brier"]["mean"] < 0.04 for found in own.values())
    assert own["none"]["average_precision"]["mean"] > 0.5
    assert len(said) == len(STRATEGIES)
    monkeypatch.setattr(job._Scores, "_fitted", lambda *_: pytest.fail("it was finished before"))
    assert evaluate_handbook(dataset, "digest", tmp_path, plan)[0].read_bytes() == report
    monkeypatch.undo()
    monkeypatch.setattr(job, "CHOSEN", QUICK)
    fitted = []
    original = job._Scores._fitted
    monkeypatch.setattr(job._Scores, "_fitted", lambda *own: fitted.append(own) or original(*own))
    evaluate_handbook(dataset, "another digest", tmp_path, plan)
    assert len(fitted) == 8 * len(STRATEGIES)


def test_what_is_not_known_is_refused(dataset):
    with pytest.raises(ConfigurationError, match="no booster forest"):
        HandbookPlan(("forest",))
    with pytest.raises(ConfigurationError, match="no strategy magic"):
        HandbookPlan(strategies=("magic",))
    with pytest.raises(ConfigurationError, match="days of training"):
        HandbookPlan(train_days=0)
    with pytest.raises(DataError, match="lacks 7999"):
        their_figures(dataset, pa.table({"TRANSACTION_ID": [0], "x": [1.0]}))
