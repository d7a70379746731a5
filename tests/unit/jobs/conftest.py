"""Small real parts for the jobs: a catalogue, a model fit for it, a state store and manifests on disk."""

import dataclasses

import numpy as np
import pytest
import xgboost

from paywarden.adapters.local.manifest_files import ManifestFiles
from paywarden.adapters.state.lmdb_store import LmdbStateStore
from paywarden.features.engine import Engine
from paywarden.features.templates import core_catalogue
from paywarden.scoring.boosters.xgboost import XGBoostBooster
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.calibration import PlattCalibrator
from paywarden.scoring.policy import Policy


@pytest.fixture(scope="session")
def engine():
    return Engine(core_catalogue())


@pytest.fixture(scope="session")
def bundle(engine):
    names = tuple(name for name in engine.catalogue.names if "amount" in name or "count" in name)[:3]
    vectors = np.random.default_rng(3).normal(size=(300, 3)).astype(np.float32)
    parameters = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, "seed": 1}
    booster = XGBoostBooster(xgboost.train(parameters, xgboost.DMatrix(vectors, vectors[:, 0] > 0.5), 4))
    return ModelBundle(
        booster_kind="xgboost",
        booster_bytes=booster.to_bytes(),
        feature_names=names,
        contract_digest=engine.catalogue.contract(names).digest,
        state_layout_digest=engine.digest,
        calibrator=PlattCalibrator(slope=1.0, intercept=0.0),
        policy=Policy(review_threshold=0.5, decline_threshold=2.0),
    )


@pytest.fixture(scope="session")
def other_bundle(bundle):
    """The same booster under another policy: another digest."""
    return dataclasses.replace(bundle, policy=Policy(review_threshold=0.1, decline_threshold=2.0))


@pytest.fixture
def store(tmp_path):
    store = LmdbStateStore(tmp_path / "state", 2, map_size=1 << 20)
    yield store
    store.close()


@pytest.fixture
def manifests(tmp_path):
    return ManifestFiles(tmp_path / "manifests")
