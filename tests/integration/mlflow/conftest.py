"""A small training result to register."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from paywarden.evaluation.splits import choose_split
from paywarden.scoring.policy import Policy
from paywarden.training.boosters import XGBoostTrainer
from paywarden.training.dataset import build_dataset
from paywarden.training.trainer import TrainingSettings, train

DAY = 86_400_000
START = 1_522_540_800_000


@pytest.fixture(scope="session")
def result():
    random = np.random.default_rng(3)
    rows, as_of = 2000, START + 20 * DAY
    fraud = random.random(rows) < 0.1
    occurred_at = np.sort(random.integers(START, as_of, rows))
    names = np.array([f"t{row}" for row in range(rows)])
    transactions = pa.table(
        {
            "transaction_id": names,
            "occurred_at": occurred_at,
            "entity_card": [f"card{card}" for card in random.integers(0, 200, rows)],
            "amount_base": random.integers(100, 9000, rows),
        }
    )
    labels = pa.table(
        {
            "transaction_id": names[fraud],
            "labelled_at": occurred_at[fraud] + DAY // 2,
            "received_at": occurred_at[fraud] + DAY // 2,
            "is_fraud": fraud[fraud],
            "source": ["chargeback"] * int(fraud.sum()),
            "pattern": ["cloned card"] * int(fraud.sum()),
        }
    )
    dataset = build_dataset(
        transactions,
        labels,
        (random.normal(size=(rows, 2)) + fraud[:, None]).astype(np.float32),
        feature_names=("card_count_1h", "amount"),
        contract_digest="c" * 64,
        state_layout_digest="s" * 64,
        as_of=as_of,
        label_delay_ms=DAY,
    )
    booster = XGBoostTrainer(max_depth=2, max_rounds=15, threads=1)
    return train(
        dataset,
        choose_split(START, as_of, DAY),
        TrainingSettings(booster=booster),
        data_versions={"transactions": 7, "labels": 2},
    )


@pytest.fixture(scope="session")
def other_result(result):
    """The same model under another policy: another digest."""
    return replace(result, bundle=result.bundle.with_policy(Policy(3.25)))
