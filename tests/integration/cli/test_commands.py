"""The commands as people run them: what they teach, what they print, and how they fail."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from paywarden import __version__
from paywarden.cli import console
from paywarden.cli.app import app
from paywarden.cli.console import run_app
from paywarden.events.mapping import Mapping
from paywarden.events.schema import EventSchema
from paywarden.features.templates import full_catalogue
from paywarden.settings import CONFIG_VARIABLE, ENVIRONMENT_PREFIX
from paywarden.simulation.world import World

CSV = """id,at,card,shop,amount,fraud
1,2024-01-01 00:00:01,c1,m1,12.30,0
2,2024-01-01 10:00:00,c2,m1,7.00,1
3,2024-01-02 00:00:00,c1,m2,1.00,0
4,2024-01-02 00:00:00,c1,m2,-5,0
"""
MAPPING = """
entities: {card: card, merchant: shop}
transaction_id: id
occurred_at: {column: at, format: datetime, timezone: UTC}
amount: {column: amount, unit: major}
currency: {value: EUR}
label: {column: fraud, source: chargeback, delay: 1d}
"""


def commands(command, path=()):
    """Every command and group with its path."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


DATA = os.environ.get("PAYWARDEN_DATA")  # read before the settings of the environment are taken away
EVERY = dict(commands(typer.main.get_command(app)))
LEAVES = [path for path, command in EVERY.items() if not hasattr(command, "commands")]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory, without settings of the environment, on a wide screen."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("MPLBACKEND", "agg")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command through the entry point; gives exit status, output and errors."""

    def run(*arguments):
        for stream in (console.out, console.err):
            monkeypatch.setattr(stream, "_width", 250)
        monkeypatch.setattr(sys, "argv", ["paywarden", *map(str, arguments)])
        status = 0
        try:
            run_app(app)
        except SystemExit as ended:
            status = ended.code or 0
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path):
    (tmp_path / "events.csv").write_text(CSV)
    return tmp_path / "events.csv"


@pytest.fixture
def mapping(tmp_path):
    (tmp_path / "mine.yaml").write_text(MAPPING)
    return tmp_path / "mine.yaml"


@pytest.fixture
def nobody():
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def one_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    assert not any("Traceback" in line for line in lines)
    (line,) = lines
    return line


class TestHelp:
    @pytest.mark.parametrize("path", LEAVES, ids=" ".join)
    def test_every_command_says_what_it_does_and_shows_an_example(self, path):
        shown = CliRunner().invoke(app, [*path, "--help"])
        assert shown.exit_code == 0
        assert "Example" in shown.output
        assert f"paywarden {' '.join(path)}" in shown.output
        assert len(EVERY[path].help.splitlines()[0]) > 20

    @pytest.mark.parametrize("path", LEAVES, ids=" ".join)
    def test_every_option_is_explained(self, path):
        unexplained = [p.name for p in EVERY[path].params if not getattr(p, "help", "explained") and p.name != "help"]
        assert unexplained == []

    def test_the_first_page_lists_every_command(self):
        shown = CliRunner().invoke(app, ["--help"])
        assert "paywarden demo" in shown.output
        assert all(f" {name} " in shown.output for name in {path[0] for path in LEAVES})

    @pytest.mark.parametrize("group", ["", "models", "stream", "state", "features", "data", "maintain"])
    def test_without_a_command_there_is_help(self, group):
        assert "Usage" in CliRunner().invoke(app, group.split()).output

    def test_the_version(self, run):
        assert run("--version") == (0, f"{__version__}\n", "")


class TestFeatures:
    def test_every_feature_is_shown(self, run):
        status, shown, _ = run("features", "show")
        assert status == 0
        assert [name for name in full_catalogue(EventSchema()).names if f" {name} " not in shown] == []
        assert full_catalogue(EventSchema()).contract().digest[:16] in shown

    def test_declared_entities_have_theirs(self, run, monkeypatch):
        monkeypatch.setenv("PAYWARDEN_EVENTS__ENTITIES", "account,device")
        _, shown, _ = run("features", "show")
        names = full_catalogue(EventSchema(("account", "device"))).names
        assert [name for name in names if f" {name} " not in shown] == []


class TestCheck:
    def test_with_nothing_up_it_says_what_to_do_about_each(self, run, nobody, monkeypatch, tmp_path):
        monkeypatch.setenv("PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS", nobody)
        monkeypatch.setenv("PAYWARDEN_MLFLOW__TRACKING_URI", f"http://{nobody}")
        began = time.monotonic()
        status, shown, _ = run("check")
        assert time.monotonic() - began < 30
        assert status == 1
        cells = [[cell.strip() for cell in line.split("│")] for line in shown.splitlines() if "│" in line]
        failed = [row[1] for row in cells if row[2] == "failed"]
        assert failed == ["kafka", "mlflow"]
        assert "kafka.bootstrap_servers" in shown
        assert "MLflow server runs" in " ".join(shown.split())
        assert "paywarden archive" in shown
        assert list(tmp_path.iterdir()) == []  # nothing is changed

    def test_a_redis_without_its_address_is_said(self, run, nobody, monkeypatch):
        monkeypatch.setenv("PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS", nobody)
        monkeypatch.setenv("PAYWARDEN_MLFLOW__TRACKING_URI", f"http://{nobody}")
        monkeypatch.setenv("PAYWARDEN_STATE__BACKEND", "redis")
        assert "set it to redis://host:port/0" in run("check")[1]


class TestMap:
    def test_a_proposal_is_printed_and_what_is_missing_said(self, run, file, tmp_path):
        status, shown, said = run("data", "map", file)
        assert status == 0
        assert "\n  card: card\n" in shown
        assert said.splitlines() == ["note: no column of currencies: EUR is assumed"]
        (tmp_path / "printed.yaml").write_text(shown)
        assert Mapping.load(tmp_path / "printed.yaml").label.column == "fraud"

    def test_a_proposal_is_written_and_reads_the_file(self, run, file, tmp_path):
        status, shown, _ = run("data", "map", file, "--out", "proposed.yaml")
        assert status == 0
        assert "paywarden data describe" in shown
        status, shown, _ = run("data", "describe", file, "--mapping", "proposed.yaml")
        assert status == 0
        assert "33.333% (1 frauds)" in shown

    def test_nothing_is_written_over(self, run, file, mapping):
        status, _, said = run("data", "map", file, "--out", mapping)
        assert status == 1
        assert "there is a file" in one_line(said)
        assert mapping.read_text() == MAPPING

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [(("nowhere.csv",), "nowhere.csv"), (("events.csv", "--out", "no/folder.yaml"), "cannot be written")],
    )
    def test_what_cannot_be_read_or_written_is_one_line(self, run, file, arguments, named):
        status, _, said = run("data", "map", *arguments)
        assert status == 1
        assert named in one_line(said)


class TestDescribe:
    def test_a_file_is_described(self, run, file, mapping):
        status, shown, _ = run("data", "describe", file, "--mapping", mapping)
        assert status == 0
        for figure in ("rows in the file", "4", "2024-01-01 00:00 to 2024-01-02 00:00", "33.333% (1 frauds)"):
            assert figure in shown
        assert "chargeback: 1; 1 days later" in shown
        assert "rejected" in shown
        assert "amounts are positive, refunds are a type" in shown  # the remedy
        assert "country, location; features of these do not exist" in shown

    def test_data_without_entities_and_labels_are_described(self, run, file, mapping):
        mapping.write_text(MAPPING.replace("entities: {card: card, merchant: shop}\n", "").split("label:")[0])
        status, shown, _ = run("data", "describe", file, "--mapping", mapping)
        assert status == 0
        assert "no features of history" in shown
        assert "no labels" in shown

    def test_fields_are_shown_with_how_well_they_are_known(self, run, file, mapping):
        mapping.write_text(MAPPING + "category: {column: shop, names: {m1: food}}\nextra_numbers: {a: amount}\n")
        assert "category (1 values, known in 66.7%), a " in run("data", "describe", file, "--mapping", mapping)[1]

    @pytest.mark.parametrize(
        ("old", "new", "named"),
        [
            ("amount: {column: amount", "amount: {column: sum", "sum"),
            ("source: chargeback", "source: rumour", "rumour"),
            ("currency: {value: EUR}", "currency: {value: EUR}\nmerchnt: x", "merchnt"),
        ],
    )
    def test_a_wrong_mapping_is_one_line(self, run, file, mapping, old, new, named):
        mapping.write_text(MAPPING.replace(old, new))
        status, shown, said = run("data", "describe", file, "--mapping", mapping)
        assert (status, shown) == (1, "")
        assert one_line(said).startswith("error: ")
        assert named in said

    def test_a_missing_file_or_mapping_is_one_line(self, run, file, mapping):
        for arguments, named in (
            (("nowhere.csv", "--mapping", mapping), "nowhere.csv"),
            ((file, "--mapping", "nowhere"), "nowhere"),
        ):
            status, _, said = run("data", "describe", *arguments)
            assert status == 1
            assert named in one_line(said)

    def test_brackets_in_a_message_are_printed(self, run, file, mapping, tmp_path):
        mapping.write_text(MAPPING.replace("column: at", "column: '[at]'"))
        status, _, said = run("data", "describe", file, "--mapping", mapping)
        assert status == 1
        assert "[at]" in said


class TestSettings:
    @pytest.mark.parametrize("command", [("features", "show"), ("archive",), ("state", "show"), ("check",)])
    def test_an_unknown_setting_is_named(self, run, monkeypatch, command):
        monkeypatch.setenv("PAYWARDEN_KAFKA__PARTITIONZ", "3")
        status, shown, said = run(*command)
        assert (status, shown) == (1, "")
        assert "Traceback" not in said
        assert "kafka.partitionz: there is no such setting" in said

    def test_an_unknown_section_is_one_line(self, run, monkeypatch):
        monkeypatch.setenv("PAYWARDEN_KAFKAA__PARTITIONS", "3")
        status, _, said = run("features", "show")
        assert status == 1
        assert "PAYWARDEN_KAFKAA__PARTITIONS" in one_line(said)

    def test_a_file_of_settings_is_read_where_it_is_named(self, run, tmp_path, monkeypatch):
        monkeypatch.setenv(CONFIG_VARIABLE, "")  # so that the test's own setting is undone
        monkeypatch.delenv(CONFIG_VARIABLE)
        settings = tmp_path / "other.yaml"
        settings.write_text("events: {entities: [account]}")
        try:
            _, shown, _ = run("--config", settings, "features", "show")
        finally:
            os.environ.pop(CONFIG_VARIABLE, None)
        assert "account_count_1h" in shown
        assert "card_count_1h" not in shown

    def test_a_missing_file_of_settings_is_one_line(self, run):
        try:
            status, _, said = run("--config", "nowhere.yaml", "features", "show")
        finally:
            os.environ.pop(CONFIG_VARIABLE, None)
        assert status == 1
        assert "nowhere.yaml" in one_line(said)


class TestWithoutServices:
    def test_without_a_lake_the_command_to_run_is_named(self, run):
        for command in (("train",), ("state", "build")):
            status, _, said = run(*command)
            assert status == 1
            assert "run `paywarden archive` first" in one_line(said)

    def test_without_a_broker_the_setting_is_named(self, run, nobody):
        status, _, said = run("archive", "--bootstrap-servers", nobody)
        assert status == 1
        assert "kafka.bootstrap_servers" in one_line(said)

    def test_a_file_without_a_mapping_is_a_usage_error(self, run, file):
        status, _, said = run("produce", file)
        assert status == 2
        assert "--mapping" in said

    def test_the_script_ends_without_a_traceback(self, tmp_path):
        command = [sys.executable, "-m", "paywarden.cli.app", "train"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 1
        assert one_line(ended.stderr).startswith("error: the lake has no table")


class TestEvaluate:
    @staticmethod
    def evaluated(file, mapping, directory, *options):
        """The ended process and the report of an evaluation."""
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "paywarden.cli.app",
                "evaluate",
                file,
                "--mapping",
                mapping,
                "--out",
                directory,
                *options,
            ],
            # Threads that spin while they wait take four times as long where tests share the processors.
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended, json.loads((directory / "report.json").read_text())

    def test_two_real_days_without_cards_and_merchants(self, tmp_path):
        if DATA is None or not (Path(DATA) / "ulb").is_dir():
            pytest.skip("PAYWARDEN_DATA names no folder with ulb")
        _, report = self.evaluated(Path(DATA) / "ulb" / "ulb_creditcard_subset.parquet", "ulb", tmp_path / "report")
        test = report["windows"]["test"]
        assert (test["rows"], test["frauds"]) == (1_852, 73)
        assert 0.85 < test["average_precision"] < 0.95  # most of the frauds were chosen to be in the subset
        assert report["facts"]["features"] == len(full_catalogue(Mapping.load("ulb").schema).names)

    def test_a_simulated_file_end_to_end(self, tmp_path):
        days = list(World(3, cards=100, merchants=60, fraud_rate=0.1).days(0, 10))
        transactions = pa.concat_tables([day.transactions for day in days])
        fraud = pa.concat_tables([day.truth for day in days])["is_fraud"].cast(pa.int64())
        file = tmp_path / "world.parquet"
        pq.write_table(transactions.append_column("fraud", fraud), file)
        mapping = tmp_path / "world.yaml"
        mapping.write_text(
            "entities: {card: entity_card, merchant: entity_merchant}\n"
            "transaction_id: transaction_id\n"
            "occurred_at: {column: occurred_at, format: epoch_milliseconds}\n"
            "amount: {column: amount, unit: minor}\n"
            "currency: {column: currency}\n"
            "category: category\n"
            "label: {column: fraud, source: chargeback, delay: 1d}\n"
        )
        # Ten days are enough only with the mapping's own label delay of one day.
        ended, report = self.evaluated(file, mapping, tmp_path / "report", "--folds", "2")
        test = report["windows"]["test"]
        assert test["rows"] > test["frauds"] > 0
        assert test["average_precision"] > 2 * test["frauds"] / test["rows"]  # the base rate is what guessing gives
        assert report["facts"]["features"] == len(full_catalogue(EventSchema(optional=("category",))).names)
        first, last, mean, _ = (row["average_precision"] for row in report["folds"])
        assert last == test["average_precision"]
        assert mean == pytest.approx((first + last) / 2)
        assert "report.json" in ended.stdout
        assert (tmp_path / "report" / "report.md").stat().st_size > 500
        assert pc.sum(fraud).as_py() > 50
        assert not (tmp_path / "mlruns").exists()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("handbook",), "--data FILE"),
            (("handbook", "--data", "a.parquet", "--mapping", "handbook"), "its own mapping"),
            (("handbook", "--data", "a.parquet", "--boosters", "forest"), "no booster forest"),
            (("handbook", "--data", "a.parquet"), "a.parquet"),
            (("payments.csv",), "data map payments.csv"),
            (("payments.csv", "--mapping", "ulb"), "payments.csv"),
            (("payments.csv", "--mapping", "ulb", "--data", "a.parquet"), "--data belongs to"),
        ],
    )
    def test_what_cannot_be_is_said_with_the_remedy(self, run, tmp_path, monkeypatch, arguments, words):
        monkeypatch.chdir(tmp_path)
        status, _, said = run("evaluate", *arguments)
        assert status == 1
        assert words in said
        assert "Traceback" not in said
        assert not (tmp_path / "build").exists()

    def test_too_short_a_file_says_how_many_days_it_needs(self, run, file, mapping, tmp_path):
        status, _, said = run("evaluate", file, "--mapping", mapping)
        assert status == 1
        assert "needs" in said
        assert "Traceback" not in said
        assert not (tmp_path / "build").exists()
