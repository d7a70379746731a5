"""`paywarden maintain` as a scheduler calls it: one line of JSON, and what grows is kept in bounds."""

import json
import os
import sys

import pyarrow as pa
import pytest

from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.adapters.mlflow.client import open_client
from paywarden.cli.app import app
from paywarden.cli.console import run_app
from paywarden.settings import ENVIRONMENT_PREFIX

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of a file as its store


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in an empty directory with an MLflow store of its own; gives exit status and its only line."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAYWARDEN_MLFLOW__TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["paywarden", *arguments])
        status = 0
        try:
            run_app(app)
        except SystemExit as ended:
            status = ended.code or 0
        (line,) = capsys.readouterr().out.splitlines()
        return status, json.loads(line)

    return run


def test_the_lake(run, tmp_path):
    lake = DeltaLake(str(tmp_path / "data" / "lake"))
    for step in range(4):
        row = {"topic": ["labels"], "partition": pa.array([0], pa.int32()), "offset": pa.array([step], pa.int64())}
        lake.append("labels", pa.table(row), {0: step or None}, {0: step + 1})
    assert run("maintain", "lake", "--json", "--dry-run")[1]["tables"][0]["files_after"] == 4
    status, said = run("maintain", "lake", "--json")
    assert status == 0
    assert said["dry_run"] is False
    (table,) = said["tables"]
    assert (table["topic"], table["files_before"], table["files_after"], table["removed"]) == ("labels", 4, 1, 0)


def test_the_runs(run, tmp_path):
    client = open_client(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.create_experiment("paywarden", artifact_location=str(tmp_path / "artifacts"))
    old = client.create_run(experiment, start_time=1).info.run_id
    client.set_terminated(old, "FINISHED", end_time=2)
    client.create_run(experiment)
    assert run("maintain", "runs", "--json", "--dry-run")[1]["removed"] == 1
    assert run("maintain", "runs", "--json") == (0, {"dry_run": False, "runs": 2, "kept_for_versions": 0, "removed": 1})
    assert client.get_run(old).info.lifecycle_stage == "deleted"


def test_the_state_that_is_not_there_yet(run):
    assert run("maintain", "state", "--json") == (0, {"dry_run": False, "states": []})
