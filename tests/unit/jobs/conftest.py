"""Small real parts for the jobs: two catalogues, models fit for them, states and manifests on disk, a day of events."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import xgboost
from tests.unit.jobs.events import Events

from paywarden.adapters.local.manifest_files import ManifestFiles
from paywarden.adapters.state.lmdb_epochs import LmdbEpochs
from paywarden.features.engine import Engine
from paywarden.features.feature import Feature
from paywarden.features.templates import core_catalogue
from paywarden.features.windows import HOUR_MS, MINUTE_MS, Window
from paywarden.scoring.boosters.xgboost import XGBoostBooster
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.calibration import PlattCalibrator
from paywarden.scoring.policy import Policy
from paywarden.simulation.world import World


@pytest.fixture(scope="session")
def engine():
    return Engine(core_catalogue())


@pytest.fixture(scope="session")
def newer_engine(engine):
    """The same catalogue with one more windowed feature, and so with another layout."""
    added = Feature("card", "sum", "amount", Window(2 * HOUR_MS, 20 * MINUTE_MS, "2h"))
    catalogue = engine.catalogue
    features = sorted((*catalogue.features, added), key=lambda f: catalogue.records.index(f.entity))
    return Engine(dataclasses.replace(catalogue, features=tuple(features)))


def _bundle(engine):
    named = [name for name in engine.catalogue.names if "amount" in name or "count" in name]
    names = (*[name for name in named if name.endswith("_2h")], *named)[:3]
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
        catalogue=engine.catalogue,
    )


@pytest.fixture(scope="session")
def bundle(engine):
    return _bundle(engine)


@pytest.fixture(scope="session")
def other_bundle(bundle):
    """The same booster under another policy: another digest."""
    return dataclasses.replace(bundle, policy=Policy(review_threshold=0.1, decline_threshold=2.0))


@pytest.fixture(scope="session")
def newer_bundle(newer_engine):
    """A model with the added feature."""
    return _bundle(newer_engine)


@pytest.fixture
def epochs(tmp_path):
    return LmdbEpochs(tmp_path / "states", 2, map_size=1 << 20)


@pytest.fixture
def store(epochs, engine):
    """The state of the first catalogue."""
    store = epochs.recipe(engine.digest)()
    yield store
    store.close()


@pytest.fixture
def manifests(tmp_path):
    return ManifestFiles(tmp_path / "manifests")


@pytest.fixture(scope="session")
def events():
    """Some days of a small world with many frauds."""
    days = list(World(4, cards=40, merchants=60, fraud_rate=0.1).days(0, 3))
    return Events.of(*(pa.concat_tables([getattr(day, name) for day in days]) for name in ("transactions", "labels")))
