"""From a history to the aliases of a real registry: what is better serves, what is worse or unclear does not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.unit.jobs.contests import GATE, STRONG, WEAK, short_history

from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.features.templates import core_catalogue
from paywarden.jobs.train import train_and_register
from paywarden.training.trainer import TrainingSettings


@pytest.fixture(scope="module")
def history():
    return short_history()


def test_the_better_serves_the_worse_does_not_and_few_frauds_decide_nothing(mlflow_uri, history, tmp_path):
    registry = MlflowRegistry(mlflow_uri, "promotion", "promotion")

    def trained(booster, entities, gate=GATE, promote="gate"):
        return train_and_register(
            history,
            core_catalogue(entities),
            registry,
            TrainingSettings(booster=booster),
            label_delay_days=3,
            gate=gate,
            promote=promote,
        )

    def aliases():
        return {alias: one.version for one in registry.list_versions() for alias in one.aliases}

    both = ("card", "merchant")
    unclear = trained(STRONG, both, replace(GATE, fewest_positives=200))
    assert (unclear.promotion.verdict.decision, aliases()) == ("abstain", {"challenger": 1})
    weak = trained(WEAK, ("card",), promote="always")
    assert aliases() == {"champion": 2}
    better = trained(STRONG, both)
    assert better.promotion.verdict.decision == "promote", better.promotion.verdict.reasons
    assert aliases() == {"champion": 3, "previous": 2}
    worse = trained(WEAK, ("card",))
    assert worse.promotion.verdict.decision == "refuse"
    assert aliases() == {"champion": 3, "previous": 2, "challenger": 4}
    assert registry.champion() == (3, better.result.bundle.digest)
    assert weak.result.bundle.digest == worse.result.bundle.digest

    assert json.loads(json.dumps(worse.to_dict(), allow_nan=False))["promoted"] is False

    client = MlflowClient(mlflow_uri, mlflow_uri)
    version = client.get_model_version("promotion", "4")
    assert version.tags["paywarden.gate"] == "refuse"
    assert version.tags["paywarden.gate.against"] == "version 3"
    assert "Gate: refuse against version 3" in version.description
    files = {file.path for file in client.list_artifacts(version.run_id)}
    assert {"gate.json", "gate.md", "model_card.md", "environment.json", "model", "report"} <= files
    told = json.loads(Path(client.download_artifacts(version.run_id, "gate.json", str(tmp_path))).read_text())
    assert told == json.loads(json.dumps(worse.promotion.verdict.to_dict()))

    assert registry.rollback() == (2, 3)
    assert aliases() == {"champion": 2, "previous": 3, "challenger": 4}
