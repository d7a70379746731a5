"""`paywarden train` and `models` as people and schedulers run them, on a lake and a registry of this machine."""

import json
import os

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from paywarden import wiring
from paywarden.cli.app import app
from paywarden.jobs.training_data import History
from paywarden.settings import ENVIRONMENT_PREFIX, load_settings
from paywarden.simulation.world import World

FEW = ["--catalogue", "core", "--label-delay-days", "3", "--imbalance", "none"]


@pytest.fixture(scope="module")
def history():
    days = list(World(5, cards=400, merchants=100, fraud_rate=0.03).days(0, 24))
    transactions, labels = ([getattr(day, name) for day in days] for name in ("transactions", "labels"))
    return History(pa.concat_tables(transactions), pa.concat_tables(labels), {"transactions": 3, "labels": 1})


@pytest.fixture
def run(tmp_path, monkeypatch, history):
    """Run a command on this history, with MLflow in a file."""
    monkeypatch.chdir(tmp_path)  # MLflow puts the files of such a store into the working directory
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAYWARDEN_MLFLOW__TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("PAYWARDEN_TRAINING__STRATEGIES", "none")
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(wiring, "training_history", lambda settings, until=None: history)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy, from within MLflow
def test_the_gate_abstains_without_failing_and_an_operator_may_overrule_it(run):
    gated = run("train", *FEW, "--json")
    assert gated.exit_code == 0, gated.output
    told = json.loads(gated.stdout)
    assert (told["version"], told["promoted"], told["gate"]["decision"]) == (1, False, "abstain")
    assert wiring.registry(load_settings()).find_champion() is None

    forced = run("train", *FEW, "--promote", "always")
    assert forced.exit_code == 0, forced.output
    assert "version 2 is champion; there was none before. The gate would not have promoted it" in forced.stdout
    assert "positives" in forced.stdout

    listed = run("models", "list")
    assert "champion" in listed.stdout
    assert "abstain" in listed.stdout
    assert "equal" in run("models", "diff", "1", "champion").stdout
    assert isinstance(run("models", "rollback").exception, Exception)
    assert "previous is version 2" in run("models", "promote", "1").stdout
    back = run("models", "rollback")
    assert "champion is version 2 again; previous is version 1" in back.stdout


def test_a_date_that_is_none_is_a_usage_error(run):
    wrong = run("train", *FEW, "--as-of", "yesterday")
    assert wrong.exit_code == 2
    assert "2024-05-01" in wrong.output
