"""`paywarden monitor` on real tables and a real registry, as a scheduler calls it."""

import json
import os
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from mlflow import MlflowClient
from tests.unit.jobs.monitored import decided

from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.cli.app import app
from paywarden.cli.console import run_app
from paywarden.events.decision import encode_decisions
from paywarden.features.replay import replay
from paywarden.features.templates import core_catalogue
from paywarden.jobs.archive import REJECT_COLUMNS
from paywarden.jobs.observed import Topics, observe
from paywarden.jobs.train import train_and_register
from paywarden.jobs.training_data import History
from paywarden.settings import ENVIRONMENT_PREFIX
from paywarden.simulation.world import World
from paywarden.training.boosters import XGBoostTrainer
from paywarden.training.trainer import TrainingSettings

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of a file as its store
DAY = 86_400_000
WORLD = World(3, cards=250, merchants=90)
TRAINED, DAYS = 36, 48
NOW = WORLD.start_at_ms + DAYS * DAY


def placed(table, topic):
    """With the coordinates of Kafka, in one partition."""
    rows = table.num_rows
    for name, values in {
        "topic": pa.array([topic] * rows),
        "partition": pa.array([0] * rows, pa.int32()),
        "offset": pa.array(range(rows), pa.int64()),
        "timestamp": table["received_at"],
    }.items():
        table = table.append_column(name, values)
    return table


def typed(table):
    for name in REJECT_COLUMNS:
        table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with a lake and a registry: a model trained, then twelve days served by it."""
    root = tmp_path_factory.mktemp("monitored")
    days = list(WORLD.days(0, DAYS))
    tables = {name: pa.concat_tables([getattr(day, name) for day in days]) for name in ("transactions", "labels")}
    tables = {
        name: placed(table.filter(pc.less(table["received_at"], NOW)).sort_by("received_at"), name)
        for name, table in tables.items()
    }
    catalogue, trained_at = core_catalogue(), WORLD.start_at_ms + TRAINED * DAY
    history = History(*(table.filter(pc.less(table["received_at"], trained_at)) for table in tables.values()), {})
    registry = MlflowRegistry(f"sqlite:///{root}/mlflow.db", "paywarden", "paywarden")
    settings = TrainingSettings(booster=XGBoostTrainer(max_rounds=30, threads=2), strategies=("none",))
    trained = train_and_register(history, catalogue, registry, settings, label_delay_days=3, promote="always")
    bundle = registry.get(trained.version)
    vectors = replay(tables["transactions"], tables["labels"], catalogue).features
    vectors = vectors[:, catalogue.columns(bundle.feature_names)]
    served = np.flatnonzero(tables["transactions"]["received_at"].to_numpy() >= trained_at)
    rows = tables["transactions"].take(pa.array(served))
    decisions = decided(bundle, rows, np.ascontiguousarray(vectors[served]), lambda *both: both)
    values = encode_decisions(decisions, WORLD.schema)
    raw = pa.table({"received_at": rows["received_at"], "key": rows["routing_key"], "value": values})
    raw = placed(raw, "predictions")
    lake = DeltaLake(str(root / "data" / "lake"))
    for topic, table in {
        "transactions": typed(tables["transactions"]),
        "labels": typed(tables["labels"]),
        "predictions": raw.drop_columns(["received_at"]),
    }.items():
        lake.append(topic, table, {0: None}, {0: table.num_rows})
    return root


@pytest.fixture
def run(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAYWARDEN_MLFLOW__TRACKING_URI", f"sqlite:///{place}/mlflow.db")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["paywarden", *arguments])
        status = 0
        try:
            run_app(app)
        except SystemExit as ended:
            status = ended.code or 0
        return status, *capsys.readouterr()

    return run


def test_a_quiet_champion_ends_with_0_and_leaves_its_files(run, tmp_path):
    status, said, errors = run("monitor", "--json", "--out", str(tmp_path))
    (line,) = said.splitlines()
    found = json.loads(line)
    assert (status, errors) == (0, "")  # the reference was there: nothing was replayed for it
    assert found["verdict"] in ("quiet", "watch")
    assert found["counts"]["of_version"] > 3000
    assert [path.rsplit("/", 1)[1] for path in found["files"]] == ["report.html", "report.json", "metrics.prom"]
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creative", ""
    )
    metrics = (tmp_path / "metrics.prom").read_text()
    assert f'paywarden_monitor_verdict{{verdict="{found["verdict"]}"}} 1' in metrics
    assert 'paywarden_monitor_psi{column="amount",days="7"}' in metrics
    assert json.loads((tmp_path / "report.json").read_text())["drift"]["score"][0]["rows"] > 100


def test_history_that_is_played_has_a_present_of_its_own(place, tmp_path):
    """Its decisions are made by today's clock; they are looked at all the same."""
    kept, played = DeltaLake(str(place / "data" / "lake")), DeltaLake(str(tmp_path))
    for topic in ("transactions", "labels", "predictions"):
        table = kept.read(topic)
        if topic == "predictions":
            made = pc.add(table["timestamp"], 300 * DAY)
            table = table.set_column(table.column_names.index("timestamp"), "timestamp", made)
        played.append(topic, table, {0: None}, {0: table.num_rows})
    topics = Topics("transactions", "labels", "predictions")
    expected, found = (observe(lake, topics, WORLD.schema, 60) for lake in (kept, played))
    assert found.as_of == expected.as_of == pc.max(kept.read("transactions")["received_at"]).as_py()
    assert found.decisions.num_rows == expected.decisions.num_rows > 3000


def test_a_silent_stream_ends_with_3(run, tmp_path):
    """As of two days later nothing has come: neither decisions nor labels."""
    lake = DeltaLake("data/lake")
    more = lake.read("transactions").slice(0, 400)
    late = pa.array(np.full(400, NOW + DAY, dtype=np.int64))
    for name in ("received_at", "occurred_at", "timestamp"):
        more = more.set_column(more.column_names.index(name), name, late)
    ids = pa.array([f"late-{row}" for row in range(400)])
    more = more.set_column(more.column_names.index("transaction_id"), "transaction_id", ids)
    end = lake.next_offsets("transactions", 1)[0]
    lake.append("transactions", more, {0: end}, {0: end + 400})
    status, said, _ = run("monitor", "--json", "--out", str(tmp_path), "--as-of", "2026-02-19T02:00")
    found = json.loads(said)
    assert (status, found["verdict"]) == (3, "alarm")
    assert any("have no decision" in reason for reason in found["reasons"])


def test_without_being_told_where_it_writes_where_the_console_looks(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PAYWARDEN_CONSOLE__MONITOR_REPORT", str(tmp_path / "shown" / "report.json"))
    _, said, _ = run("monitor", "--json", "--as-of", "2026-02-19T02:00")
    assert (tmp_path / "shown" / "report.json").is_file(), said


def test_before_the_first_training_there_is_nothing_to_watch(run, tmp_path, monkeypatch):
    """An hourly task is not to fail all day on a platform that trains at night."""
    monkeypatch.setenv("PAYWARDEN_MLFLOW__MODEL_NAME", "unknown")
    status, said, errors = run("monitor", "--json", "--out", str(tmp_path))
    found = json.loads(said)
    assert (status, errors, found["verdict"], found["version"]) == (0, "", "quiet", None)
    assert "paywarden train" in found["notes"][0]
    assert run("monitor")[:2] == (0, found["notes"][0] + "\n")


def test_versions_without_a_champion_are_no_quiet_matter(run, place, tmp_path):
    client = MlflowClient(f"sqlite:///{place}/mlflow.db")
    version = client.get_model_version_by_alias("paywarden", "champion").version
    client.delete_registered_model_alias("paywarden", "champion")
    try:
        status, said, errors = run("monitor", "--json", "--out", str(tmp_path))
    finally:
        client.set_registered_model_alias("paywarden", "champion", version)
    assert (status, said) == (1, "")
    assert "paywarden models promote" in errors


def test_a_backtest_names_the_version_that_the_alias_stands_for(run, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: [{name: large, when: transaction.amount > 20000, then: review}]")
    since = datetime.fromtimestamp(NOW / 1000 - 4 * 86_400, UTC).isoformat()
    status, said, _ = run("backtest", "--policy", str(policy), "--since", since, "--out", str(tmp_path / "out"))
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (status, found["model_version"]) == (0, "1")
    assert found["rules"]["new"]["large"]["fired"] > 0
    assert "by model version 1." in said
