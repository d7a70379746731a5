"""Commands that run as services of the stack: they wait, they survive outages, and end in an orderly way when told."""

from __future__ import annotations

import json
import os
import signal
import stat
from contextlib import contextmanager
from types import SimpleNamespace

import httpx
import pytest
from typer.testing import CliRunner

from paywarden.cli import archive as archive_command
from paywarden.cli import stream as stream_command
from paywarden.cli.app import app
from paywarden.cli.console import log
from paywarden.errors import KafkaError, RegistryError, StaleArchiver
from paywarden.jobs import archive as archive_job
from paywarden.jobs.archive import Archived
from paywarden.settings import ENVIRONMENT_PREFIX, LogSettings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory without settings, and the process's own signal handlers afterwards."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def told_to_end():
    os.kill(os.getpid(), signal.SIGTERM)


def in_turn(*calls):
    """A function that does one of these at each call."""
    left = iter(calls)
    return lambda *_args, **_options: next(left)()


def failing(error):
    def fail():
        raise error

    return fail


MOVED = Archived({"transactions": 3}, {"transactions": 1})


def last(moved):
    told_to_end()
    return moved


def test_an_archiver_that_runs_for_ever_survives_an_outage_and_ends_when_told(monkeypatch, tmp_path):
    rounds = in_turn(
        failing(KafkaError("the broker is away")), lambda: MOVED, lambda: last(Archived({"labels": 0}, {"labels": 0}))
    )
    monkeypatch.setattr(archive_command, "archive_beside_others", rounds)
    alive = tmp_path / "alive"
    done = run("archive", "--every", "0.1", "--json", "--heartbeat", str(alive))
    assert done.exit_code == 0
    assert "the broker is away; trying again" in done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"rows": {"transactions": 3}, "rejected": {"transactions": 1}}
    ]
    assert alive.exists()


def test_a_service_speaks_json_where_logs_are_collected(monkeypatch, restored_log):
    rounds = in_turn(failing(KafkaError("the broker is away")), lambda: last(MOVED))
    monkeypatch.setattr(archive_command, "archive_beside_others", rounds)
    monkeypatch.setenv("PAYWARDEN_LOGS__FORMAT", "json")
    done = run("archive", "--every", "0.1")
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(line["part"] == "archiver" and line["timestamp"] for line in lines)
    assert [(line["level"], line["event"]) for line in lines] == [
        ("warning", "the broker is away; trying again"),
        ("info", "transactions: 3 rows, 1 of them rejected"),
        ("info", "stopped after the last commit"),
    ]
    assert (lines[1]["topic"], lines[1]["rows"], lines[1]["rejected"]) == ("transactions", 3, 1)


@pytest.fixture
def restored_log():
    """Later tests hear the services as people do."""
    yield
    log.use(LogSettings(), "")


def test_an_archiver_told_to_end_stops_after_the_commit_under_way(monkeypatch):
    commits = []

    def job(_source, _lake, _columns, *, progress):
        for topic in ("transactions", "labels"):
            commits.append(topic)
            if topic == "transactions":
                told_to_end()
            progress(topic, 1, 1)

    monkeypatch.setattr(archive_command, "archive_beside_others", job)
    assert run("archive", "--every", "60").exit_code == 0
    assert commits == ["transactions"]


def test_an_archivers_figures_can_be_read_while_it_works(monkeypatch):
    read = []

    def job(_source, _lake, _columns, *, progress):
        progress("labels", 3, 10)
        url = next(word for word in said[0].split() if word.startswith("http"))
        read.append(httpx.get(url).text)
        return last(MOVED)

    said = []
    monkeypatch.setattr(archive_command, "archive_beside_others", job)
    monkeypatch.setattr(archive_command.err, "print", lambda text, **_how: said.append(text))
    assert run("archive", "--every", "60", "--metrics-port", "0").exit_code == 0
    assert 'paywarden_archiver_lag_records{topic="labels"} 7.0' in read[0]


@pytest.mark.parametrize("words", [["archive"], ["produce"], ["alerts", "run", "--once"]])
def test_what_is_over_at_once_shows_no_figures(words):
    assert "--metrics-port" in CliRunner().invoke(app, [*words, "--metrics-port", "0"]).output


def test_one_archive_is_one_line_of_json(monkeypatch):
    monkeypatch.setattr(archive_command, "archive_beside_others", in_turn(lambda: MOVED))
    assert json.loads(run("archive", "--json").stdout) == {
        "rows": {"transactions": 3},
        "rejected": {"transactions": 1},
    }


def test_an_archiver_beside_another_reads_again_from_where_the_lake_stands(monkeypatch):
    stale = failing(StaleArchiver("moved on"))
    monkeypatch.setattr(archive_job, "archive", in_turn(stale, stale, lambda: MOVED))
    assert archive_job.archive_beside_others(None, None, {}) == MOVED
    monkeypatch.setattr(archive_job, "archive", in_turn(*[stale] * 5))
    with pytest.raises(StaleArchiver):
        archive_job.archive_beside_others(None, None, {})


@pytest.fixture
def registry(monkeypatch):
    """A registry whose looks at the champion are set by the test, without waiting between them."""
    asked = SimpleNamespace(find_champion=None)
    monkeypatch.setattr(stream_command.wiring, "registry", lambda _settings: asked)
    monkeypatch.setattr(stream_command, "_CHAMPION_POLL_SECONDS", 0.0)
    return asked


def test_a_stream_waits_for_its_first_champion_and_says_what_makes_one(registry, tmp_path, monkeypatch):
    registry.find_champion = in_turn(failing(RegistryError("MLflow is away")), lambda: None, object)
    began = []

    @contextmanager
    def stream(*_args, **_options):
        began.append(True)
        told_to_end()
        yield SimpleNamespace(failed=False, idle_seconds=0.0)

    monkeypatch.setattr(stream_command.wiring, "stream", stream)
    monkeypatch.setattr(stream_command.wiring, "build_missing_state", lambda *_: began.append("state"))
    done = run("stream", "run", "--wait-for-champion", "--build-state", "--heartbeat", str(tmp_path / "alive"))
    assert done.exit_code == 0
    assert began == ["state", True]
    assert "waiting for the registry: MLflow is away" in done.stderr
    assert "waiting for the first champion: `paywarden train` makes one" in done.stderr
    assert (tmp_path / "alive").exists()


def test_a_stream_that_waits_ends_when_told(registry, monkeypatch):
    registry.find_champion = told_to_end
    monkeypatch.setattr(stream_command.wiring, "stream", failing(AssertionError("it began")))
    assert run("stream", "run", "--wait-for-champion").exit_code == 0


def test_init_writes_a_file_that_only_its_owner_reads_and_keeps_what_it_made(tmp_path):
    file = tmp_path / ".env"
    assert run("init", "--file", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.read_text()
    assert "nothing was missing" in run("init", "--file", str(file)).stdout
    assert file.read_text() == first
    assert run("init", "--file", str(file), "--profile", "full").exit_code == 0
    assert file.read_text() == first.replace("=simulation", "=simulation,full").replace(
        "=local[2]", "=spark://spark-master:7077"
    )
    assert run("init", "--file", str(file), "--force").exit_code == 0
    assert not set(first.splitlines()) & {line for line in file.read_text().splitlines() if "PASSWORD" in line}


def test_producing_for_ever_needs_a_rate_and_the_simulated_world(tmp_path):
    for words in (["--forever"], ["some.csv", "--mapping", "m.yaml", "--forever", "--rate", "1"]):
        assert "needs --rate" in CliRunner().invoke(app, ["produce", *words]).output


def test_a_position_that_cannot_be_read_is_said(tmp_path):
    file = tmp_path / "position.json"
    file.write_text("[]x")
    done = CliRunner().invoke(app, ["produce", "--forever", "--rate", "1", "--position", str(file)])
    assert "holds no position" in str(done.exception)
