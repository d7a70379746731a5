"""Train, judge, promote and report as commands of a scheduler, on a real lake and a real MLflow server."""

import json
import os
import signal
import subprocess
import sys

import pyarrow as pa
import pytest
from mlflow import MlflowClient
from tests.integration.lakes import archive_table
from typer.testing import CliRunner

from paywarden import wiring
from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.adapters.mlflow.training_run import MlflowTrainingRun
from paywarden.cli.app import app
from paywarden.settings import ENVIRONMENT_PREFIX, load_settings
from paywarden.simulation.world import World

FEW = ["--catalogue", "core", "--label-delay-days", "3"]
WEAK = {"TRAINING__HYPERPARAMETERS": '{"max_rounds": 8, "max_depth": 2}', "EVENTS__ENTITIES": '["card"]'}
STRONG = {"TRAINING__HYPERPARAMETERS": '{"max_rounds": 60}', "EVENTS__ENTITIES": '["card", "merchant"]'}
DAYS = 24


@pytest.fixture(scope="module")
def days():
    return list(World(5, cards=400, merchants=100, fraud_rate=0.03).days(0, DAYS + 4))


@pytest.fixture
def lake(tmp_path):
    return DeltaLake(str(tmp_path / "lake"))


@pytest.fixture
def archive(lake, days):
    """Puts so many days more into the lake."""
    left = iter(days)

    def archive(count):
        some = [next(left) for _ in range(count)]
        for topic in ("transactions", "labels"):
            archive_table(lake, topic, pa.concat_tables([getattr(day, topic) for day in some]))

    archive(DAYS)
    return archive


@pytest.fixture
def client(mlflow_uri):
    return MlflowClient(mlflow_uri, mlflow_uri)


@pytest.fixture
def no_pictures(monkeypatch):
    """Plots take half of a small training's time, and are looked at in the tests of reports."""
    monkeypatch.setattr("paywarden.evaluation.plots._save", lambda _figure, path: path.write_bytes(b"not drawn"))


@pytest.fixture
def run(tmp_path, monkeypatch, mlflow_uri, archive, no_pictures):
    """Run a command; what it printed as JSON."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in {
        "LAKE__PATH": tmp_path / "lake",
        "MLFLOW__TRACKING_URI": mlflow_uri,
        "MLFLOW__EXPERIMENT": tmp_path.name,
        "MLFLOW__MODEL_NAME": tmp_path.name,
        "TRAINING__STRATEGIES": "none",
        "TRAINING__THREADS": 1,
        "POLICY__ALERTS_PER_DAY": 30,
        "GATE__MEASURE": "average_precision",
        "GATE__FEWEST_POSITIVES": 10,
        "GATE__CALIBRATION_FACTOR": 5,
        "GATE__LATENCY_MICROSECONDS": 1e6,
        "GATE__RESAMPLES": 500,
    }.items():
        monkeypatch.setenv(f"PAYWARDEN_{name}", str(value))

    def run(*arguments):
        done = CliRunner().invoke(app, [str(argument) for argument in (*arguments, "--json")])
        assert done.exit_code == 0, (done.output, done.exception)
        (line,) = done.stdout.splitlines()
        return json.loads(line)

    return run


@pytest.fixture
def choose(monkeypatch):
    def choose(how):
        for name, value in how.items():
            monkeypatch.setenv(f"PAYWARDEN_{name}", value)

    return choose


@pytest.fixture
def train(run, choose):
    def train(how, *more):
        choose(how)
        return run("train", *FEW, *more)

    return train


@pytest.fixture
def registry(run):
    return wiring.registry(load_settings())


def verdict(registry, version):
    """The gate's figures of a version, without the one that is measured with a clock."""
    told = json.loads(registry.document(version, "gate.json"))
    assert [check["name"] for check in told["checks"]].count("latency") == 1
    return {**told, "checks": [check for check in told["checks"] if check["name"] != "latency"]}


def test_later_is_as_at_once_whatever_was_archived_since(run, train, registry, archive):
    train(WEAK, "--promote", "always")
    at_once = train(STRONG, "--promote", "never")
    later = train(STRONG, "--promote", "later")
    assert (at_once["digest"], at_once["gate"]["decision"]) == (later["digest"], "promote"), at_once["gate"]
    assert (later["gate"], later["promoted"]) == (None, False)
    assert run("models", "report", 3)["verdict"] is None
    archive(4)
    judged = run("models", "judge", 3)
    assert verdict(registry, 3) == verdict(registry, 2)
    assert (judged["decision"], judged["champion"], judged["promoted"]) == ("promote", 1, False)

    held = run("models", "promote", 3, "--by-gate", "--dry-run")
    assert (held["promoted"], registry.champion()[0]) == (False, 1)
    assert run("models", "promote", 3, "--by-gate")["promoted"]
    moved = run("models", "promote", 2, "--by-gate")
    assert (moved["promoted"], moved["champion_moved"]) == (False, True)
    assert "models judge 2" in moved["words"]
    again = run("models", "promote", 2, "--by-gate", "--judge-again")
    assert (again["decision"], again["opponent"], again["promoted"]) == ("refuse", "version 3", False)
    assert registry.champion()[0] == 3
    told = run("models", "report", 3)
    assert (told["aliases"], told["champion"], told["verdict"]["promoted"]) == (["champion"], 3, True)
    assert told["words"] == "version 3 is champion; version 1 is the previous one"
    assert float(told["gain"]["gain"]) > 0.0


KILLED = """
import os, signal, sys
from mlflow import MlflowClient
from paywarden.cli.app import app

call = sys.argv.pop(1)
real = getattr(MlflowClient, call)
def killed(*arguments, **more):
    real(*arguments, **more)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(MlflowClient, call, killed)
app()
"""


def killed_at(call, *arguments):
    done = subprocess.run([sys.executable, "-c", KILLED, call, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def statuses(client, name):
    experiment = client.get_experiment_by_name(name)
    return sorted(run.info.status for run in client.search_runs([experiment.experiment_id]))


@pytest.mark.parametrize("promote", ["later", "gate"])
def test_a_training_killed_after_it_made_its_version_is_finished_by_the_next_try(
    train, registry, client, tmp_path, promote
):
    command = ["train", *FEW, "--once", "night", "--promote", promote]
    killed_at("create_model_version", *command)
    (left,) = registry.list_versions()
    assert (left.aliases, statuses(client, tmp_path.name)) == ((), ["RUNNING"])
    again = train(STRONG, "--once", "night", "--promote", promote)
    assert (again["version"], again["reused"]) == (1, True)
    (whole,) = registry.list_versions()
    assert statuses(client, tmp_path.name) == ["FINISHED"]
    serves = promote == "gate"
    assert again["promoted"] is serves
    assert whole.aliases == (("champion",) if serves else ("challenger",))
    assert whole.tags.get("paywarden.gate") == ("promote" if serves else None)
    assert train(STRONG, "--once", "night", "--promote", promote) == again


def test_a_training_killed_after_it_promoted_is_not_judged_against_itself(train, choose, registry, client, tmp_path):
    train(WEAK, "--promote", "always")
    choose(STRONG)
    killed_at("delete_registered_model_alias", "train", *FEW, "--once", "night", "--promote", "gate")
    assert registry.champion()[0] == 2
    again = train(STRONG, "--once", "night", "--promote", "gate")
    assert (again["version"], again["promoted"], again["former_champion"]) == (2, True, 1)
    assert statuses(client, tmp_path.name) == ["FINISHED", "FINISHED"]


def test_a_training_killed_before_it_made_its_version_begins_again(train, registry, client, tmp_path):
    killed_at("log_artifacts", "train", *FEW, "--once", "night", "--promote", "later")
    assert registry.list_versions() == []
    experiment = client.get_experiment_by_name(tmp_path.name)
    (left,) = client.search_runs([experiment.experiment_id])
    client.set_tag(left.info.run_id, "paywarden.host", "a container that is gone")
    again = train(STRONG, "--once", "night", "--promote", "later")
    assert (again["version"], again["reused"]) == (1, False)
    assert statuses(client, tmp_path.name) == ["FINISHED", "KILLED"]
    assert [version.version for version in registry.list_versions()] == [1]


def test_of_two_tries_at_once_the_first_version_stays(train, registry, monkeypatch):
    """A try whose worker was given up goes on, and registers after the next one has."""
    register = MlflowTrainingRun.register

    def overtaken(self, result, **more):
        register(self, result, **more)
        return register(self, result, **more)

    monkeypatch.setattr(MlflowTrainingRun, "register", overtaken)
    with pytest.raises(AssertionError, match="has registered version 1; this one is taken back"):
        train(WEAK, "--once", "night", "--promote", "later")
    assert [version.version for version in registry.list_versions()] == [1]
