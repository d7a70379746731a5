"""What training hands over to its report, with a registry in memory."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from paywarden.evaluation.costs import CostMatrix
from paywarden.features.templates import core_catalogue
from paywarden.jobs import train as train_job
from paywarden.jobs.train import contributions_of, train_and_register
from paywarden.jobs.training_data import History
from paywarden.simulation.world import World
from paywarden.training.boosters import XGBoostTrainer
from paywarden.training.trainer import TrainingSettings

COSTS = CostMatrix(review_cost=77)


class Registry:
    """No champion; keeps the names of a version's files, its report, and what was said of it."""

    def __init__(self):
        self.aliases, self.files, self.documents = {}, {}, {}

    @contextmanager
    def training_run(self, tries=None):
        yield self

    def log_trial(self, trial):
        raise AssertionError("nothing is tuned")

    def register(self, result, *, tags, plots, example):
        self.files = {path.name: path.read_bytes() for path in plots}
        return SimpleNamespace(version=1)

    def describe(self, number, *, documents, tags, description=None):
        self.documents |= documents

    def find_champion(self):
        return None

    def set_alias(self, alias, version):
        self.aliases[alias] = version

    def promote(self, version, *_args, **_kwargs):
        self.aliases["champion"] = version


@pytest.fixture(scope="module")
def registry():
    return Registry()


@pytest.fixture(scope="module")
def trained(registry):
    days = list(World(5, cards=400, merchants=100, fraud_rate=0.03).days(0, 24))
    history = History(
        pa.concat_tables([day.transactions for day in days]), pa.concat_tables([day.labels for day in days]), {}
    )
    settings = TrainingSettings(
        booster=XGBoostTrainer(max_rounds=8, max_depth=2, threads=1),
        strategies=("none", "class_weight"),
        costs=COSTS,
    )
    catalogue = core_catalogue(("card",))
    return train_and_register(history, catalogue, registry, settings, label_delay_days=3.0, promote="never")


def test_the_report_shows_strategies_money_and_what_moves_the_score(trained, registry):
    assert {"report.json", "report.md", "test.png", "contributions.png"} <= set(registry.files)
    report = json.loads(registry.files["report.json"])
    assert [row["strategy"] for row in report["strategies"]] == ["none", "class_weight"]
    assert report["windows"]["test"]["costs"] == COSTS.to_dict()
    assert "if a review costs 0.77" in registry.files["report.md"].decode()


def test_the_gate_counts_by_the_same_costs(trained, registry):
    assert trained.promotion.verdict.settings.costs == COSTS


def test_contributions_add_up_to_the_scores(trained, monkeypatch):
    moved = contributions_of(trained.result)
    booster = trained.result.bundle.load_booster()
    assert np.allclose(moved.contributions.sum(axis=1), booster.predict_margin(moved.features), atol=1e-4)
    assert tuple(moved.names) == trained.result.bundle.feature_names
    monkeypatch.setitem(train_job._EXPLAINED_ROWS, "xgboost", 50)
    few = contributions_of(trained.result)
    assert 25 <= len(few.features) <= 50
    assert few.contributions.shape == (len(few.features), len(moved.names) + 1)
