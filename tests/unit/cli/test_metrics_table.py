from dataclasses import replace

import numpy as np
from rich.console import Console

from paywarden.cli.train import metrics_table
from paywarden.evaluation.metrics import evaluate
from paywarden.evaluation.predictions import Predictions


def shown(metrics):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(metrics_table(metrics, "the test window"))
    return {
        line.split("│")[1].strip(): line.split("│")[2].strip() for line in capture.get().splitlines() if "│" in line
    }


def test_money_is_shown_in_major_units():
    target = np.array([True, False, False])
    predictions = Predictions(
        target=target,
        raw=np.array([2.0, 0.0, -1.0]),
        score=np.array([0.9, 0.5, 0.3]),
        occurred_at=np.array([0, 1, 2]),
        card=np.array([0, 1, 2]),
        amount=np.array([123_456, 100, 100]),
        pattern=np.array([None] * 3),
    )
    metrics = replace(evaluate(predictions, 1.0), money_saved=123_456.0)
    table = shown(metrics)
    assert table["money_saved (base currency)"] == "1,234.56"
    assert table["rows"] == "3"
    assert table["recall"] == "1.0000"
    assert not any(name.startswith("money") for name in shown(replace(metrics, money_saved=None)))
