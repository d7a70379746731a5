"""Exactness: how far tiled windows lie from exact ones that others computed, and what that costs a model.

The exact ones are the Fraud Detection Handbook's own features. Their risk of a terminal is the share of frauds among
the transactions of a window that ended a week ago; the same replay gives it in tiles, if every transaction gets a
label a week later: once with the frauds among them as fraud labels, once all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.histories import Source, handbook, handbook_file
from paywarden.evaluation.card_precision import card_precision
from paywarden.evaluation.labels import NEVER, known_compromised
from paywarden.evaluation.metrics import average_precision, roc_auc
from paywarden.evaluation.splits import DAY_MS
from paywarden.evaluation.splits import Window as Span
from paywarden.features.catalogue import Catalogue
from paywarden.features.feature import Feature
from paywarden.features.replay import replay
from paywarden.features.results import RATE_PRIOR, RATE_STRENGTH
from paywarden.features.windows import CORE_WINDOWS, DAY, MONTH, QUARTER, VELOCITY_WINDOWS, WEEK, Window
from paywarden.training.boosters import Examples, XGBoostTrainer

WINDOWS = (DAY, WEEK, MONTH)
TRAINING_BEGINS = tuple(
    int(datetime(2018, month, day, tzinfo=UTC).timestamp() * 1000) for month, day in ((8, 15), (8, 8), (8, 1), (7, 25))
)
WEEK_MS = 7 * DAY_MS
TRAINER = XGBoostTrainer(
    learning_rate=0.3, max_depth=3, max_rounds=50, early_stopping_rounds=0, tree_method="exact", base_score=0.5
)
CATALOGUE = Catalogue(
    ("card", "merchant"),
    tuple(
        [Feature("card", name, field, w) for w in WINDOWS for name, field in (("count", None), ("sum", "amount"))]
        + [Feature("merchant", name, None, w) for w in WINDOWS for name in ("count", "fraud_rate")]
    ),
)

Columns = dict[str, NDArray[np.float32]]


def measure() -> dict[str, object]:
    """Differences by feature, average precision by the handbook's protocol, and the resolution of every window."""
    source = handbook()
    exact = _exact(source)
    print("  replaying with the labels, then with a label for every transaction")
    tiled, served = _tiled(source)
    print("  training: four folds for each of three sets of inputs")
    return {
        "source": source.name,
        "rows": source.rows,
        "resolution": {w.name: _resolution(w) for w in sorted({*CORE_WINDOWS, *VELOCITY_WINDOWS, QUARTER})},
        "features": {name: _difference(exact[name], tiled[name]) for name in exact if name != "TX_AMOUNT"},
        "models": _models(source, {"exact": exact, "tiled": tiled, "as_served": served}),
    }


def _resolution(window: Window) -> dict[str, float]:
    """Between how many seconds of history a window covers, depending on where in its newest tile a payment falls."""
    return {
        "tile_seconds": window.tile_ms / 1000,
        "covers_at_least_seconds": (window.duration_ms - window.tile_ms) / 1000,
        "covers_at_most_seconds": window.duration_ms / 1000,
    }


def _exact(source: Source) -> Columns:
    """The handbook's 15 inputs, by its names."""
    table = pq.read_table(handbook_file("handbook_features.parquet"))
    ids = pc.cast(source.transactions["transaction_id"], pa.int64()).to_numpy()
    if not np.array_equal(table["TRANSACTION_ID"].to_numpy(), ids):
        raise ValueError("handbook_features.parquet has other transactions than handbook_raw.parquet; fetch both anew")
    return {"TX_AMOUNT": _amount(source), **{n: table[n].to_numpy() for n in table.column_names[1:]}}


def _amount(source: Source) -> NDArray[np.float32]:
    return (source.transactions["amount_base"].to_numpy() / 100).astype(np.float32)


def _tiled(source: Source) -> tuple[Columns, Columns]:
    """The same 15 from tiles; and as the catalogue serves them, its terminal windows ending now instead of a week ago.

    The handbook's windows hold the transaction itself, ours do not: it is added.
    """
    reported, everything = _vectors(source, source.labels), _vectors(source, _labels_of_all(source.transactions))
    amount = _amount(source)
    occurred_at = source.transactions["occurred_at"].to_numpy()
    tiled: Columns = {
        "TX_AMOUNT": amount,
        "TX_DURING_WEEKEND": ((occurred_at // DAY_MS + 3) % 7 >= 5).astype(np.float32),
        "TX_DURING_NIGHT": reported["is_night"],
    }
    served = dict(tiled)
    for window in WINDOWS:
        name = f"{window.duration_ms // DAY_MS}DAY_WINDOW"
        count = reported[f"card_count_{window.name}"] + 1
        total = reported[f"card_sum_amount_{window.name}"] / 100 + amount
        customer = {f"CUSTOMER_ID_NB_TX_{name}": count, f"CUSTOMER_ID_AVG_AMOUNT_{name}": total / count}
        frauds, transactions = _arrived(reported, window), _arrived(everything, window)
        tiled |= customer | {
            f"TERMINAL_ID_NB_TX_{name}": transactions,
            f"TERMINAL_ID_RISK_{name}": frauds / np.maximum(transactions, 1),
        }
        served |= customer | {
            f"TERMINAL_ID_NB_TX_{name}": reported[f"merchant_count_{window.name}"],
            f"TERMINAL_ID_RISK_{name}": reported[f"merchant_fraud_rate_{window.name}"],
        }
    return tiled, served


def _vectors(source: Source, labels: pa.Table) -> Columns:
    features = replay(source.transactions, labels, CATALOGUE).features
    return {name: features[:, column] for column, name in enumerate(CATALOGUE.names)}


def _arrived(vectors: Columns, window: Window) -> NDArray[np.float32]:
    """How many fraud labels arrived in the window: the smoothed rate taken back to its numerator."""
    rate, count = vectors[f"merchant_fraud_rate_{window.name}"], vectors[f"merchant_count_{window.name}"]
    return np.round(rate * (count + RATE_STRENGTH) - RATE_PRIOR * RATE_STRENGTH).astype(np.float32)


def _labels_of_all(transactions: pa.Table) -> pa.Table:
    """A fraud label for every transaction, a week later."""
    arrival = pc.add(transactions["occurred_at"], WEEK_MS)
    columns = {name: transactions[name] for name in ("transaction_id", "occurred_at", "routing_key")}
    columns |= {name: transactions[name] for name in transactions.column_names if name.startswith("entity_")}
    columns |= {"labelled_at": arrival, "received_at": arrival}
    columns["is_fraud"] = pa.repeat(pa.scalar(value=True), transactions.num_rows)
    return pa.table(columns)


def _difference(exact: NDArray[np.float32], tiled: NDArray[np.float32]) -> dict[str, float]:
    """Share of rows that are equal (to float32's rounding), and how far apart rows lie relative to the exact value."""
    difference = np.abs(tiled.astype(np.float64) - exact)
    relative = difference / np.maximum(np.abs(exact), 1e-9)
    relative[difference == 0] = 0.0
    known = exact != 0  # relative to nothing, any difference is infinite
    return {
        "equal": round(float(np.mean(np.isclose(tiled, exact, rtol=1e-5, atol=1e-6))), 4),
        "median_relative_difference": round(float(np.median(relative[known])), 4),
        "p95_relative_difference": round(float(np.quantile(relative[known], 0.95)), 4),
        "correlation": round(float(np.corrcoef(exact, tiled)[0, 1]), 4),
    }


@dataclass(frozen=True)
class _Fold:
    """A fold's rows, bool ``[n]``: a week of training, a week of label delay, a week of test less known customers."""

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]


def _models(source: Source, inputs: Mapping[str, Columns]) -> dict[str, object]:
    """Average precision, ROC AUC and card precision@100 of the same model on each set of inputs, fold by fold."""
    ids, labelled = source.transactions["transaction_id"], source.labels.filter(source.labels["is_fraud"])
    fraud = pc.is_in(ids, value_set=labelled["transaction_id"].combine_chunks()).to_numpy()
    customer = pc.cast(source.transactions["entity_card"], pa.int64()).to_numpy()
    occurred_at = source.transactions["occurred_at"].to_numpy()
    known_at = np.where(fraud, occurred_at + WEEK_MS, NEVER)
    figures: dict[str, dict[str, list[float]]] = {name: {"ap": [], "auc": [], "cp100": []} for name in inputs}
    for start in TRAINING_BEGINS:
        fold = _fold(start, customer, occurred_at, known_at)
        for name, columns in inputs.items():
            features = np.column_stack(list(columns.values())).astype(np.float32)
            examples = Examples(features[fold.train], fraud[fold.train])
            booster = TRAINER.fit(examples, examples, seed=0).booster
            target, raw = fraud[fold.test], booster.predict_margin(features[fold.test])
            found = figures[name]
            found["ap"].append(average_precision(target, raw) or 0.0)
            found["auc"].append(roc_auc(target, raw) or 0.0)
            found["cp100"].append(card_precision(target, raw, customer[fold.test], occurred_at[fold.test], 100) or 0.0)
            print(f"  {name}: AP {found['ap'][-1]:.4f}")
    return {
        name: {
            measure: {
                "mean": round(float(np.mean(values)), 4),
                "deviation": round(float(np.std(values)), 4),
                "folds": [round(value, 4) for value in values],
            }
            for measure, values in found.items()
        }
        for name, found in figures.items()
    }


def _fold(
    start: int, customer: NDArray[np.int64], occurred_at: NDArray[np.int64], known_at: NDArray[np.int64]
) -> _Fold:
    train = Span(start, start + WEEK_MS).contains(occurred_at)
    test = Span(start + 2 * WEEK_MS, start + 3 * WEEK_MS).contains(occurred_at)
    return _Fold(train, test & ~known_compromised(customer, occurred_at, known_at, since=start))
