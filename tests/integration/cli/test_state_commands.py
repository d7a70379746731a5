"""`paywarden state` on a real lake and LMDB: what it makes, shows, keeps and refuses."""

from __future__ import annotations

import os
import sys

import pyarrow as pa
import pytest

from paywarden import wiring
from paywarden.cli import console
from paywarden.cli.app import app
from paywarden.cli.console import run_app
from paywarden.jobs.archive import REJECT_COLUMNS
from paywarden.jobs.epochs import OpenState
from paywarden.settings import ENVIRONMENT_PREFIX, load_settings
from paywarden.simulation.world import World

ADDED = "base: core\nadd: [{entity: card, aggregation: sum, field: amount, window: 2h, tile: 20m}]\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory, without settings but the small catalogue, on a wide screen."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAYWARDEN_FEATURES__CATALOGUE", "core")
    (tmp_path / "features.yaml").write_text(ADDED)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command through the entry point; gives exit status, output and errors."""

    def run(*arguments):
        for stream in (console.out, console.err):
            monkeypatch.setattr(stream, "_width", 250)
        monkeypatch.setattr(sys, "argv", ["paywarden", *arguments])
        status = 0
        try:
            run_app(app)
        except SystemExit as ended:
            status = ended.code or 0
        return status, *capsys.readouterr()

    return run


def archived(topic, table, ends=None):
    """Put canonical rows into the lake as one partition of a topic, as the archive does."""
    rows = table.append_column("topic", pa.array([topic] * len(table), pa.string()))
    rows = rows.append_column("partition", pa.array([0] * len(table), pa.int32()))
    rows = rows.append_column("offset", pa.array(range(len(table)), pa.int64()))
    rows = rows.append_column("timestamp", pa.array([0] * len(table), pa.int64()))
    types = dict.fromkeys(REJECT_COLUMNS[:2], pa.string()) | dict.fromkeys(REJECT_COLUMNS[2:], pa.binary())
    for name, kind in types.items():
        rows = rows.append_column(name, pa.nulls(len(table), kind))
    wiring.lake(load_settings()).append(topic, rows, {0: None}, {0: len(table) if ends is None else ends})


@pytest.fixture
def day():
    (day,) = World(4, cards=40, merchants=60, fraud_rate=0.1).days(0, 1)
    return day


@pytest.fixture
def lake(day):
    archived("transactions", day.transactions)
    archived("labels", day.labels)


def test_showing_the_state_makes_none(run, tmp_path):
    status, shown, _ = run("state", "show")
    assert (status, "no state yet; `paywarden state build`" in shown) == (0, True)
    assert not (tmp_path / "data").exists()


def test_states_of_two_catalogues_stand_side_by_side(run, lake, day):
    assert run("state", "build")[0] == 0
    status, built, said = run("state", "build", "--catalogue", "features.yaml")
    assert status == 0
    assert f"replaying {len(day.transactions)} transactions" in said
    assert "stream epoch 2, layout " in built
    layout = built.split("layout ")[1].split(":")[0]
    _, shown, problems = run("state", "show")
    assert problems == ""
    rows = {line.split("│")[1].strip(): line for line in shown.splitlines() if line.startswith("│")}
    assert len(rows) == 2
    features = {name: int(line.split("│")[3]) for name, line in rows.items()}
    assert features.pop(layout) == min(features.values()) + 1
    assert all(f"{len(day.transactions)} transactions" in line for line in rows.values())
    _, records, _ = run("state", "show", layout[:6])
    assert {"card", "merchant", "routing"} <= {
        line.split("│")[1].strip() for line in records.splitlines() if "│" in line
    }
    assert run("state", "drop", layout)[0] == 0
    assert layout not in run("state", "show")[1]


def test_only_what_the_offsets_cover_is_built(run, day):
    """Rows of an archive that went on meanwhile are left to the stream."""
    archived("transactions", day.transactions, ends=10)
    _, _, said = run("state", "build")
    assert "replaying 10 transactions and 0 labels" in said


def test_a_lake_without_labels_is_enough(run, day):
    archived("transactions", day.transactions)
    status, _, said = run("state", "build")
    assert (status, "0 labels" in said) == (0, True)


def test_a_state_that_is_being_written_is_not_built_over(run, lake):
    settings = load_settings()
    run("state", "build")
    (layout,) = wiring.state_epochs(settings).layouts()
    stream = OpenState.take(wiring.state_epochs(settings), layout, "the stream")
    status, _, said = run("state", "build")
    assert (status, "holds the write lease" in said) == (1, True)
    stream.require_lease()
    assert run("state", "build", "--takeover")[0] == 0
    stream.store.close()


def test_an_unfinished_state_is_shown_as_such(run):
    epochs = wiring.state_epochs(load_settings())
    OpenState.take(epochs, "a" * 64, "builder").close()
    _, shown, said = run("state", "show")
    assert "unfinished" in shown
    assert "build it again" in said


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("build", "--catalogue", "core", "--model", "1"), 2, "--catalogue or --model"),
        (("build", "--catalogue", "fulll"), 1, "Did you mean 'full'"),
        (("drop", "f00d"), 1, "paywarden state show"),
    ],
)
def test_what_cannot_be_done_says_why(run, arguments, status, said):
    found, _, told = run("state", *arguments)
    assert (found, said in " ".join(told.split())) == (status, True)
