"""One vector through a model, as a request brings it: the compiled trees beside XGBoost itself and ONNX Runtime."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import xgboost
from numpy.typing import NDArray
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from paywarden.scoring.boosters.xgboost import XGBoostBooster
from paywarden.scoring.bundle import ModelBundle

CALLS = 2_000
"""Of one vector each, in a round."""
Predict = Callable[[NDArray[np.float32]], Any]


def measured(bundle: ModelBundle, rounds: int) -> dict[str, dict[str, Any]]:
    """Microseconds a call by way, medians of rounds taken in turn, and each way's time ÷ the compiled trees'.

    Raises AssertionError where the ways do not agree to 1e-5 in the probability of fraud.
    """
    vectors = np.random.default_rng(0).normal(size=(64, len(bundle.feature_names))).astype(np.float32)
    vectors[np.random.default_rng(1).random(vectors.shape) < 0.05] = np.nan
    ways = _ways(bundle)
    _assert_equal(ways, vectors)
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, predict in ways.items() if number % 2 else reversed(ways.items()):
            seconds = _seconds(predict, vectors)
            if number:  # the first round warms
                found[name].append(1e6 * seconds / CALLS)
    ours = found["compiled trees"]
    return {
        name: {
            "us_a_call": statistics.median(times),
            "rounds": times,
            "ratio": statistics.median(time / own for time, own in zip(times, ours, strict=True)),
        }
        for name, times in found.items()
    }


def _ways(bundle: ModelBundle) -> dict[str, Predict]:
    ours = bundle.load_booster(1)
    assert isinstance(ours, XGBoostBooster)
    assert ours.compiled is not None
    booster = xgboost.Booster()
    booster.load_model(bytearray(ours.to_bytes()))
    booster.set_param({"nthread": 1})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    booster.feature_names = None
    graph = convert_xgboost(booster, initial_types=[("x", FloatTensorType([None, len(bundle.feature_names)]))])
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return {
        "compiled trees": ours.predict_margin,
        "XGBoost": lambda row: booster.inplace_predict(row, predict_type="margin"),
        "ONNX Runtime": lambda row: session.run(["probabilities"], {"x": row})[0],
    }


def _seconds(predict: Predict, vectors: NDArray[np.float32]) -> float:
    rows = [vectors[place : place + 1] for place in range(len(vectors))]
    began = time.perf_counter()
    for call in range(CALLS):
        predict(rows[call % len(rows)])
    return time.perf_counter() - began


def _assert_equal(ways: dict[str, Predict], vectors: NDArray[np.float32]) -> None:
    ours = 1 / (1 + np.exp(-ways["compiled trees"](vectors)))
    own = 1 / (1 + np.exp(-ways["XGBoost"](vectors)))
    np.testing.assert_allclose(own, ours, atol=1e-5)
    np.testing.assert_allclose(ways["ONNX Runtime"](vectors)[:, 1], ours, atol=1e-5)
