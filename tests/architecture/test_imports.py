"""Rooms stay what they are: imports flow downwards, heavy libraries stay at the edge, boosters load on demand."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "paywarden"
CORE_ROOMS = [
    room
    for room in ("events", "features", "scoring", "evaluation", "training", "monitoring", "simulation", "jobs")
    if (SOURCE / room).is_dir()
]
VENDORS = {"airflow", "boto3", "confluent_kafka", "deltalake", "fastapi", "lmdb", "mlflow", "pyspark", "redis"}
BOOSTERS = {"catboost", "lightgbm", "xgboost"}
IMPORT_ALL = """
import importlib, json, pkgutil, sys
room = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    importlib.import_module(module.name)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("room", CORE_ROOMS)
def test_importing_a_core_room_loads_no_vendor_and_no_booster(room):
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, f"paywarden.{room}"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    loaded = set(json.loads(result.stdout))
    assert "paywarden" in loaded
    assert loaded & (VENDORS | BOOSTERS) == set()


def test_the_command_line_leaves_prometheus_to_the_commands_that_need_it():
    """prometheus_client reads how workers share figures when it is imported: `paywarden serve` must be first."""
    asked = "import sys, paywarden.cli.app; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def test_the_import_contracts_are_kept():
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("booster", sorted(BOOSTERS))
def test_a_booster_is_named_only_in_its_own_files(booster):
    importers = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if booster in _imported(path)}
    allowed = {f"scoring/boosters/{booster}.py", f"training/boosters/{booster}.py"}
    strangers = {path for path in importers if not path.startswith(("scoring/boosters/", "training/boosters/"))}
    assert strangers == set()
    assert len(importers) <= len(allowed), f"{booster} is imported in {sorted(importers)}"


def test_only_settings_reads_the_environment():
    """The exceptions prepare a child process or a library, or find Java; each is named here."""
    known = {
        "settings.py",
        "cli/app.py",  # hands --config on to settings
        "adapters/local/java.py",  # JAVA_HOME, as Spark reads it
        "adapters/local/mlflow_server.py",  # the child's environment
        "adapters/mlflow/client.py",  # switches of the library itself, set before its import
        "adapters/spark/session.py",  # the workers' environment
        "wiring/machine.py",  # the child's environment
        "service/api/workers.py",  # how prometheus-client is told where workers share their figures
    }
    readers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if "os.environ" in path.read_text() or "os.getenv" in path.read_text()
    }
    assert readers <= known


def test_only_the_clock_reads_the_wall_clock():
    calls = {"time.time(", "time.time_ns(", "datetime.now(", "datetime.utcnow(", "date.today("}
    readers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if any(call in path.read_text() for call in calls)
    }
    assert readers == {"clock.py"}


def test_nothing_is_pickled():
    importers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if _imported(path) & {"pickle", "cloudpickle", "joblib", "dill"}
    }
    assert importers == set()


def _imported(path):
    """The top-level packages that a file imports, at whatever depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names
