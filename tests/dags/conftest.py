"""Airflow in its own environment, which `make airflow-env` makes: each look at it is a process of its Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "dags"
HERE = Path(__file__).parent
ENVIRONMENT = "AIRFLOW_VENV"


@pytest.fixture(scope="session")
def airflow_python(pytestconfig):
    """Airflow's Python. Without one the whole suite fails; a run of chosen tests skips these."""
    python = Path(os.environ.get(ENVIRONMENT, ROOT / ".cache" / "airflow")) / "bin" / "python"
    if python.exists():
        return python
    said = f"there is no Airflow at {python}; run `make airflow-env`"
    chosen = pytestconfig.args_source is not pytest.Config.ArgsSource.TESTPATHS
    if chosen and not os.environ.get("CI"):
        pytest.skip(said)
    pytest.fail(said)


@pytest.fixture(scope="session")
def airflow_environment(airflow_python, tmp_path_factory):
    """The variables of a new Airflow with SQLite, and its tables."""
    home = tmp_path_factory.mktemp("airflow")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PAYWARDEN"))}
    environment = {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    in_airflow(airflow_python, environment, "-m", "airflow", "db", "migrate")
    pools = str(ROOT / "deploy" / "airflow" / "pools.json")
    in_airflow(airflow_python, environment, "-m", "airflow", "pools", "import", pools)
    return environment


def in_airflow(python, environment, *arguments):
    """What Airflow's Python wrote to its log; fails with it where it fails."""
    command = [str(python), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.fixture(scope="session")
def bag(airflow_python, airflow_environment, tmp_path_factory):
    """The DAGs as Airflow reads them."""
    result = tmp_path_factory.mktemp("bag") / "shape.json"
    in_airflow(airflow_python, airflow_environment, HERE / "in_airflow" / "shape.py", DAGS, result)
    return json.loads(result.read_text())


@pytest.fixture
def run_dag(airflow_python, airflow_environment, tmp_path):
    """Runs a DAG: states and results of its tasks, runs that DAGs have triggered, commands called, and the log."""

    def run_dag(dag_id, conf=None, answers=None, **environment):
        result, log = tmp_path / "result.json", tmp_path / "commands"
        environment = {
            "PAYWARDEN_COMMAND": f"{sys.executable} {HERE / 'recorder.py'}",
            "RECORDER_LOG": str(log),
            "RECORDER_ANSWERS": json.dumps(answers or {}),
            **environment,
        }
        script = HERE / "in_airflow" / "run_dag.py"
        arguments = (script, DAGS, result, dag_id, json.dumps(conf or {}))
        said = in_airflow(airflow_python, {**airflow_environment, **environment}, *arguments)
        called = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return {**json.loads(result.read_text()), "called": called, "log": said}

    return run_dag
