"""A small trained model for the scoring tests: three features, absent values among them."""

import numpy as np
import pytest
import xgboost

from paywarden.scoring.boosters.xgboost import XGBoostBooster
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.calibration import PlattCalibrator
from paywarden.scoring.policy import Policy
from paywarden.scoring.reasons import ReasonBook, ReasonTemplate


@pytest.fixture(scope="session")
def vectors():
    features = np.random.default_rng(7).normal(size=(1500, 3)).astype(np.float32)
    features[::5, 1] = np.nan
    return features


@pytest.fixture(scope="session")
def booster(vectors):
    target = vectors[:, 0] + np.nan_to_num(vectors[:, 1], nan=1.0) > 1.5
    parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": 1}
    return XGBoostBooster(xgboost.train(parameters, xgboost.DMatrix(vectors, target), 12))


@pytest.fixture(scope="session")
def bundle(booster):
    return ModelBundle(
        booster_kind="xgboost",
        booster_bytes=booster.to_bytes(),
        feature_names=("card_count_1h", "amount", "hour"),
        contract_digest="c" * 64,
        state_layout_digest="s" * 64,
        calibrator=PlattCalibrator(slope=1.1, intercept=-0.2),
        policy=Policy(review_threshold=0.5, decline_threshold=2.0),
        reasons=ReasonBook(2, {"card_count_1h": ReasonTemplate("CARD_VELOCITY", "{value:.0f} payments in 1 h")}),
        training={"settings": {"seed": 1}},
        data_versions={"transactions": 3, "labels": 5},
        metrics={"test": {"average_precision": 0.5}},
    )
