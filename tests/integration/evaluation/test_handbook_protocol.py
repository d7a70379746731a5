"""The evaluation room against figures that nobody here computed: the Fraud Detection Handbook's protocol and features.

Skipped without PAYWARDEN_DATA. The published figures are AP 0.687 ± 0.01 and CP@100 0.303 ± 0.01 over four folds; this
is the latest of them, with the handbook's own features, and so free of ours.
"""

from datetime import datetime, timezone

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from paywarden.evaluation.card_precision import card_precision
from paywarden.evaluation.labels import NEVER, known_compromised
from paywarden.evaluation.metrics import average_precision, roc_auc
from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.training.boosters import Examples, XGBoostTrainer

TRAIN_START = int(datetime(2018, 8, 15, tzinfo=timezone.utc).timestamp() * 1000)
WEEK = 7 * DAY_MS
TRAINER = XGBoostTrainer(
    learning_rate=0.3, max_depth=3, max_rounds=50, early_stopping_rounds=0, tree_method="exact", base_score=0.5
)


@pytest.fixture(scope="module")
def fold(data_dir):
    """Target, raw score, customer and time of the fold's test rows."""
    raw = pq.read_table(data_dir / "handbook" / "handbook_raw.parquet")
    computed = pq.read_table(data_dir / "handbook" / "handbook_features.parquet").drop_columns(["TRANSACTION_ID"])
    occurred_at = raw["TX_DATETIME"].cast(pa.timestamp("ms")).cast(pa.int64()).to_numpy()
    customer = raw["CUSTOMER_ID"].to_numpy().astype(np.int64)
    fraud = raw["TX_FRAUD"].to_numpy() == 1
    columns = [raw["TX_AMOUNT"].to_numpy(), *(column.to_numpy() for column in computed.columns)]
    features = np.column_stack(columns).astype(np.float32)
    train = Window(TRAIN_START, TRAIN_START + WEEK).contains(occurred_at)
    test = Window(TRAIN_START + 2 * WEEK, TRAIN_START + 3 * WEEK).contains(occurred_at)
    known_at = np.where(fraud, occurred_at + WEEK, NEVER)
    test &= ~known_compromised(customer, occurred_at, known_at, since=TRAIN_START)
    examples = Examples(features[train], fraud[train])
    booster = TRAINER.fit(examples, examples, seed=0).booster
    return fraud[test], booster.predict_margin(features[test]), customer[test], occurred_at[test]


def test_known_customers_leave_as_in_the_handbook(fold):
    target, *_ = fold
    assert (len(target), target.sum()) == (57_604, 422)


def test_the_figures_are_the_handbooks(fold):
    target, raw, customer, occurred_at = fold
    assert average_precision(target, raw) == pytest.approx(0.6931, abs=0.002)
    assert roc_auc(target, raw) == pytest.approx(0.8688, abs=0.003)
    assert card_precision(target, raw, customer, occurred_at, 100) == pytest.approx(0.3243, abs=0.002)
