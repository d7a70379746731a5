"""Forty days of small canonical tables with vectors in which fraud shows, and labels that arrive two days late."""

import numpy as np
import pyarrow as pa
import pytest

from paywarden.training.boosters import XGBoostTrainer
from paywarden.training.dataset import build_dataset
from paywarden.training.trainer import TrainingSettings

DAY = 86_400_000
START = 1_522_540_800_000
DELAY = 2 * DAY
AS_OF = START + 40 * DAY
ROWS = 6000


@pytest.fixture(scope="session")
def transactions():
    random = np.random.default_rng(11)
    return pa.table(
        {
            "transaction_id": [f"t{row}" for row in range(ROWS)],
            "occurred_at": np.sort(random.integers(START, AS_OF, ROWS)),
            "entity_card": [f"card{card}" for card in random.integers(0, 300, ROWS)],
            "entity_merchant": [f"shop{shop}" for shop in random.integers(0, 20, ROWS)],
            "amount_base": random.integers(100, 20_000, ROWS),
        }
    )


@pytest.fixture(scope="session")
def fraud():
    return np.random.default_rng(12).random(ROWS) < 0.05


@pytest.fixture(scope="session")
def features(fraud):
    features = np.random.default_rng(13).normal(size=(ROWS, 4)).astype(np.float32)
    features[:, 0] += 1.8 * fraud
    features[:, 1] += 1.2 * fraud
    features[::9, 2] = np.nan
    return features


@pytest.fixture(scope="session")
def labels(transactions, fraud):
    frauds = transactions.filter(pa.array(fraud))
    arrived_at = frauds["occurred_at"].to_numpy() + DELAY - 1000
    return pa.table(
        {
            "transaction_id": frauds["transaction_id"],
            "labelled_at": arrived_at,
            "received_at": arrived_at,
            "is_fraud": np.ones(len(frauds), dtype=bool),
            "source": ["chargeback"] * len(frauds),
            "pattern": ["cloned" if row % 3 else "stolen" for row in range(len(frauds))],
        }
    )


@pytest.fixture(scope="session")
def build(transactions, features):
    def build(labels, **changes):
        arguments = {
            "feature_names": ("card_count_1h", "card_sum_amount_1h", "hour", "amount[base]"),
            "contract_digest": "c" * 64,
            "state_layout_digest": "s" * 64,
            "as_of": AS_OF,
            "label_delay_ms": DELAY,
        }
        return build_dataset(transactions, labels, features, **{**arguments, **changes})

    return build


@pytest.fixture(scope="session")
def dataset(build, labels):
    return build(labels)


@pytest.fixture(scope="session")
def settings():
    return TrainingSettings(
        booster=XGBoostTrainer(max_depth=3, max_rounds=40, early_stopping_rounds=10, learning_rate=0.2, threads=1)
    )
