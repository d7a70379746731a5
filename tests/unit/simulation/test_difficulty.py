"""Raw fields must not give fraud away; history must. Features are made here, with numpy alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import xgboost
from sklearn.metrics import average_precision_score

from paywarden.simulation.draft import DAY_MS, HOUR_MS
from paywarden.simulation.population.geography import distance_km

_SPAN_MS = 10**13  # longer than any recording: (key, time) becomes one sortable integer
_TRAIN_DAYS, _TEST_FROM_DAY = 15, 17
_RAW = ("amount", "channel", "category", "country", "hour", "auth_result", "transaction_type")


class _Rows:
    """A recording as numpy columns; strings as numbers."""

    def __init__(self, days) -> None:
        table = pa.concat_tables([day.transactions for day in days])
        self.labels = pa.concat_tables([day.labels for day in days])
        self.fraud = np.concatenate([day.truth["is_fraud"].to_numpy() for day in days])
        self.at = table["occurred_at"].to_numpy() - days[0].begins_at_ms
        self.received = table["received_at"].to_numpy() - days[0].begins_at_ms
        self.begins_at = days[0].begins_at_ms
        self.amount = table["amount"].to_numpy()
        self.latitude, self.longitude = table["latitude"].to_numpy(), table["longitude"].to_numpy()
        self.merchants = table["entity_merchant"].combine_chunks().dictionary_encode()
        self.card = table["entity_card"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
        self.merchant = self.merchants.indices.to_numpy().astype(np.int64)
        self.raw = {
            name: table[name].combine_chunks().dictionary_encode().indices.to_numpy()
            for name in _RAW
            if name not in ("amount", "hour")
        } | {"amount": self.amount, "hour": self.at // HOUR_MS % 24}


@pytest.fixture(scope="module")
def rows(days):
    return _Rows(days)


@pytest.fixture(scope="module")
def ap_of(rows):
    day = rows.at // DAY_MS
    train, test = day < _TRAIN_DAYS, day >= _TEST_FROM_DAY

    def ap(columns: dict[str, np.ndarray]) -> float:
        data = np.column_stack([column.astype(np.float64) for column in columns.values()])
        settings = {"objective": "binary:logistic", "max_depth": 5, "eta": 0.1, "nthread": 1, "seed": 0}
        model = xgboost.train(settings, xgboost.DMatrix(data[train], rows.fraud[train]), num_boost_round=80)
        return average_precision_score(rows.fraud[test], model.predict(xgboost.DMatrix(data[test])))

    return ap


def _count(rows: _Rows, key: np.ndarray, window_ms: int) -> np.ndarray:
    order = np.lexsort((rows.at, key))
    place = key[order] * _SPAN_MS + rows.at[order]
    counts = np.empty(len(order))
    counts[order] = np.arange(len(order)) - np.searchsorted(place, place - window_ms)
    return counts


def _mean_before(rows: _Rows, key: np.ndarray, values: np.ndarray) -> np.ndarray:
    order = np.lexsort((rows.at, key))
    before = np.cumsum(values[order]) - values[order]
    first = np.searchsorted(key[order], key[order])
    count = np.arange(len(order)) - first
    mean = np.empty(len(order))
    mean[order] = np.where(count > 0, (before - before[first]) / np.maximum(count, 1), np.nan)
    return mean


def _speed_km_h(rows: _Rows) -> np.ndarray:
    """From the card's last payment in person to this one."""
    placed = np.flatnonzero(~np.isnan(rows.latitude))
    order = placed[np.lexsort((rows.at[placed], rows.card[placed]))]
    a, b = order[:-1], order[1:]
    km = distance_km(rows.latitude[a], rows.longitude[a], rows.latitude[b], rows.longitude[b])
    hours = np.maximum(rows.at[b] - rows.at[a], 60_000) / HOUR_MS
    speed = np.full(len(rows.at), np.nan)
    speed[b] = np.where(rows.card[a] == rows.card[b], km / hours, np.nan)
    return speed


def _merchant_fraud_rate(rows: _Rows) -> np.ndarray:
    """Fraud labels that had arrived by then, per payment seen by then, smoothed."""
    fraud = rows.labels.filter(pc.field("is_fraud"))
    merchant = pc.index_in(fraud["entity_merchant"], rows.merchants.dictionary).to_numpy().astype(np.int64)
    arrived = np.sort(merchant * _SPAN_MS + fraud["received_at"].to_numpy() - rows.begins_at)
    start = rows.merchant * _SPAN_MS
    frauds = np.searchsorted(arrived, start + rows.received) - np.searchsorted(arrived, start)
    return (frauds + 0.05) / (_count(rows, rows.merchant, _SPAN_MS // 10) + 5)


def _first_visit(rows: _Rows) -> np.ndarray:
    order = np.argsort(rows.at, kind="stable")
    first = np.unique(rows.card[order] * 10**6 + rows.merchant[order], return_index=True)[1]
    new = np.zeros(len(order))
    new[order[first]] = 1
    return new


def _history(rows: _Rows) -> dict[str, np.ndarray]:
    return {
        "card_count_1h": _count(rows, rows.card, HOUR_MS),
        "card_count_6h": _count(rows, rows.card, 6 * HOUR_MS),
        "merchant_count_1h": _count(rows, rows.merchant, HOUR_MS),
        "amount_ratio": rows.amount / _mean_before(rows, rows.card, rows.amount),
        "speed": _speed_km_h(rows),
        "first_visit": _first_visit(rows),
        "merchant_fraud_rate": _merchant_fraud_rate(rows),
    }


@pytest.mark.parametrize("name", _RAW)
def test_no_threshold_on_one_raw_field_finds_fraud(rows, name):
    values = rows.raw[name]
    bins = np.searchsorted(np.quantile(values, np.linspace(0, 1, 41)), values) if name == "amount" else values
    rate = np.bincount(bins, rows.fraud) / np.maximum(np.bincount(bins), 1)  # the best order that a field allows
    scores = {"rate": rate[bins], "high": values, "low": -values}
    assert {
        kind: ap for kind, score in scores.items() if (ap := average_precision_score(rows.fraud, score)) > 0.1
    } == {}


def test_history_lifts_a_small_model_well_above_the_raw_fields(rows, ap_of):
    raw = ap_of(rows.raw)
    with_history = ap_of(rows.raw | _history(rows))
    assert raw < 0.2
    assert with_history > 0.4
    assert with_history > 2 * raw
