"""Small real parts for the jobs: two catalogues, models fit for them, states and manifests on disk, a day of events."""

import dataclasses
from itertools import count

import numpy as np
import pyarrow as pa
import pytest
import xgboost
from tests.unit.jobs.contests import STRONG, WEAK, short_history
from tests.unit.jobs.events import Events

from paywarden.adapters.local.manifest_files import ManifestFiles
from paywarden.adapters.state.lmdb_epochs import LmdbEpochs
from paywarden.evaluation.splits import DAY_MS
from paywarden.features.engine import Engine
from paywarden.features.feature import Feature
from paywarden.features.replay import replay
from paywarden.features.templates import core_catalogue
from paywarden.features.windows import HOUR_MS, MINUTE_MS, Window
from paywarden.jobs.promotion import Contest
from paywarden.jobs.train import split_of
from paywarden.jobs.training_data import data_versions, replayed_dataset
from paywarden.scoring.boosters.xgboost import XGBoostBooster
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.calibration import PlattCalibrator
from paywarden.scoring.policy import Policy
from paywarden.simulation.world import World
from paywarden.training.trainer import TrainingSettings, train


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


@pytest.fixture(scope="session")
def contested():
    """The history that contests are on."""
    return short_history()


@pytest.fixture(scope="session")
def contest_of(contested):
    """Gives the contest of a booster trained on these features."""
    timer = count(step=1000)

    def contest_of(booster, catalogue):
        dataset = replayed_dataset(contested, catalogue, 3 * DAY_MS)
        split, settings = split_of(dataset), TrainingSettings(booster=booster)
        versions = data_versions(contested, dataset)
        bundle = train(dataset, split, settings, catalogue=catalogue, data_versions=versions).bundle
        return Contest(bundle, dataset, contested, split, settings.compromised_days, replay, lambda: next(timer))

    return contest_of


@pytest.fixture(scope="session")
def weak(contest_of):
    return contest_of(WEAK, core_catalogue(("card",)))


@pytest.fixture(scope="session")
def strong(contest_of):
    return contest_of(STRONG, core_catalogue())
