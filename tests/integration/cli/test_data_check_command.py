"""`paywarden data check` on a lake of real Delta tables, as a scheduler calls it."""

import json
import os
import sys

import pyarrow as pa
import pytest

from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.cli.app import app
from paywarden.cli.console import run_app
from paywarden.jobs.archive import REJECT_COLUMNS
from paywarden.settings import ENVIRONMENT_PREFIX
from paywarden.simulation.world import World

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of a file as its store


def archived(table, topic):
    rows = table.num_rows
    for name, values in {
        "topic": pa.array([topic] * rows),
        "partition": pa.array([0] * rows, pa.int32()),
        "offset": pa.array(range(rows), pa.int64()),
        "timestamp": table["received_at"],
        **{name: pa.nulls(rows, pa.string()) for name in REJECT_COLUMNS},
    }.items():
        table = table.append_column(name, values)
    return table


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAYWARDEN_MLFLOW__TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["paywarden", "data", "check", *arguments])
        status = 0
        try:
            run_app(app)
        except SystemExit as ended:
            status = ended.code or 0
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def lake(tmp_path):
    lake = DeltaLake(str(tmp_path / "data" / "lake"))
    days = list(World(5, cards=200, merchants=80).days(0, 20))
    for topic in ("transactions", "labels"):
        table = archived(pa.concat_tables([getattr(day, topic) for day in days]), topic)
        lake.append(topic, table, {0: None}, {0: table.num_rows})
    return lake


def test_fine_data_end_with_0_and_one_line(run, lake):
    status, said, _ = run("--json", "--days", "5", "--as-of", "2026-01-20")
    (line,) = said.splitlines()
    found = json.loads(line)
    assert (status, found["verdict"], found["reasons"]) == (0, "fine", [])
    assert len(found["volume"]["by_day"]) == 5


def test_bad_data_end_with_3_and_the_reasons(run, lake):
    status, said, _ = run("--json", "--as-of", "2026-03-01")
    found = json.loads(said)
    assert (status, found["verdict"]) == (3, "stop")
    assert "No transaction has arrived" in found["reasons"][0]
    status, said, _ = run("--as-of", "2026-03-01")
    assert status == 3
    assert "No transaction has arrived" in said


def test_without_a_lake_the_command_to_run_is_named(run):
    status, said, errors = run("--json")
    assert (status, said) == (1, "")
    assert "paywarden archive" in errors
