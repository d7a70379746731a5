"""The registry against a real MLflow server."""

import itertools
import json
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from paywarden.adapters.mlflow.registry import CHALLENGER, CHAMPION, MlflowRegistry
from paywarden.errors import BundleError, ChampionMoved, RegistryError
from paywarden.scoring.scorer import Scorer
from paywarden.training.tuning import TrialRecord

NUMBERS = itertools.count(1)


@pytest.fixture
def registry(mlflow_uri):
    number = next(NUMBERS)
    return MlflowRegistry(mlflow_uri, f"experiment-{number}", f"model-{number}", clock=lambda: 1_600_000_000_000)


@pytest.fixture
def client(mlflow_uri, registry):
    registry.list_versions()  # settles MLflow's variables first
    return MlflowClient(mlflow_uri, mlflow_uri)


def test_a_bundle_comes_back_as_it_went_in(registry, result):
    registered = registry.log_and_register(result)
    assert registered.version == 1
    assert registered.bundle_digest == result.bundle.digest
    assert registered.state_layout_digest == result.bundle.state_layout_digest
    assert registered.aliases == ()
    for reference in (1, "1"):
        assert registry.get(reference) == result.bundle
    registry.set_alias(CHAMPION, 1)
    loaded = registry.get(CHAMPION)
    assert loaded.digest == result.bundle.digest
    assert Scorer(loaded).bundle.to_files() == result.bundle.to_files()


def test_the_run_tells_what_was_done(registry, client, result, tmp_path):
    plot = tmp_path / "test.png"
    plot.write_bytes(b"\x89PNG")
    registered = registry.log_and_register(result, params={"reason": "nightly"}, tags={"team": "fraud"}, plots=[plot])
    run = client.get_run(registered.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["reason"] == "nightly"
    assert run.data.params["settings.booster.max_depth"] == "2"
    assert run.data.params["data.transactions"] == "7"
    assert run.data.metrics["test.average_precision"] == pytest.approx(result.test.average_precision)
    assert run.data.metrics["test.recall_by_pattern.cloned card"] >= 0.0
    curve = client.get_metric_history(registered.run_id, "rounds.validation_average_precision")
    assert [point.value for point in curve] == pytest.approx(result.validation_average_precision)
    assert run.data.tags["team"] == registered.tags["team"] == "fraud"
    assert run.data.tags["paywarden.bundle_digest"] == result.bundle.digest
    stored = {
        file.path
        for folder in ("model", "model/bundle", "report")
        for file in client.list_artifacts(registered.run_id, folder)
        if not file.is_dir
    }
    assert stored == {f"model/bundle/{name}" for name in result.bundle.to_files()} | {
        "model/MLmodel",
        "report/test.png",
    }
    (environment,) = [file.path for file in client.list_artifacts(registered.run_id) if "environment" in file.path]
    libraries = json.loads(Path(client.download_artifacts(registered.run_id, environment, str(tmp_path))).read_text())
    assert {"python", "numpy", "xgboost", "mlflow"} <= set(libraries)
    inputs = {item.tags[0].value: item.dataset for item in run.inputs.dataset_inputs}
    assert set(inputs) == {"train", "selection", "calibration", "test"}
    assert json.loads(inputs["test"].source) == {"labels": 2, "transactions": 7}
    assert json.loads(inputs["test"].profile) == {"num_rows": result.test.rows}


def test_aliases_move_and_roll_back(registry, result, other_result):
    registry.log_and_register(result)
    registry.log_and_register(other_result)
    registry.set_alias(CHAMPION, 1)
    assert registry.challenger() is None
    registry.set_alias(CHALLENGER, 2)
    assert registry.champion() == (1, result.bundle.digest)
    assert registry.challenger() == (2, other_result.bundle.digest)
    registry.set_alias(CHAMPION, 2)
    assert registry.champion() == (2, other_result.bundle.digest)
    assert [(v.version, v.aliases) for v in registry.list_versions()] == [(2, (CHALLENGER, CHAMPION)), (1, ())]
    registry.set_alias(CHAMPION, 1)
    assert registry.champion() == (1, result.bundle.digest)
    registry.drop_alias(CHAMPION)
    with pytest.raises(RegistryError):
        registry.champion()


def test_equal_training_gives_two_versions_of_one_digest(registry, result):
    first, second = registry.log_and_register(result), registry.log_and_register(result)
    assert (first.version, second.version) == (1, 2)
    assert first.bundle_digest == second.bundle_digest
    assert first.run_id != second.run_id


def test_what_is_absent_is_said_with_a_remedy(registry, result):
    assert registry.list_versions() == []
    for reference in (CHAMPION, 1):
        with pytest.raises(RegistryError, match="Train and register a model first"):
            registry.get(reference)
    registry.log_and_register(result)
    with pytest.raises(RegistryError, match="Train and register a model first"):
        registry.set_alias(CHAMPION, 99)


def test_a_file_altered_in_the_store_is_refused_and_the_champion_stays(registry, result, other_result, mlflow_data):
    registry.log_and_register(result)
    registry.set_alias(CHAMPION, 1)
    altered = registry.log_and_register(other_result)
    (policy,) = mlflow_data.glob(f"artifacts/*/{altered.run_id}/artifacts/model/bundle/policy.json")
    policy.write_bytes(policy.read_bytes().replace(b"3.25", b"9.25"))
    with pytest.raises(BundleError, match=r"policy\.json"):
        registry.get(2)
    with pytest.raises(BundleError):
        registry.set_alias(CHAMPION, 2)
    assert registry.champion() == (1, result.bundle.digest)


def test_a_whole_other_bundle_under_the_version_is_refused(registry, result, other_result, mlflow_data):
    registered = registry.log_and_register(result)
    (folder,) = mlflow_data.glob(f"artifacts/*/{registered.run_id}/artifacts/model/bundle")
    for name, content in other_result.bundle.to_files().items():
        (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match="names the bundle"):
        registry.get(1)


def test_a_pickle_added_in_the_store_is_refused(registry, result, mlflow_data):
    registered = registry.log_and_register(result)
    (folder,) = mlflow_data.glob(f"artifacts/*/{registered.run_id}/artifacts/model/bundle")
    (folder / "python_model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(BundleError, match="pickles run code"):
        registry.get(1)


def test_a_version_of_somebody_else_gets_no_alias(registry, client, result):
    registry.log_and_register(result)
    run_id = registry.find(1).run_id
    model = client.get_model_version(f"model-{next(NUMBERS) - 1}", "1").name
    client.create_model_version(model, f"runs:/{run_id}/bundle", run_id)
    with pytest.raises(BundleError, match="not registered by Paywarden"):
        registry.set_alias(CHAMPION, 2)
    assert [version.version for version in registry.list_versions()] == [1]


def test_a_run_that_fails_half_way_is_marked_and_registers_nothing(registry, client, result, monkeypatch):
    def fail(*_args, **_more):
        raise OSError("the disk is full")

    monkeypatch.setattr(MlflowClient, "log_artifacts", fail)
    with pytest.raises(RegistryError, match="the disk is full"):
        registry.log_and_register(result)
    assert registry.list_versions() == []
    experiment = client.get_experiment_by_name(f"experiment-{next(NUMBERS) - 1}")
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FAILED"]


@pytest.mark.parametrize("call", ["create_run", "log_batch", "log_artifacts", "create_registered_model"])
def test_a_run_that_is_killed_leaves_no_version_and_the_next_one_marks_it(
    registry, client, mlflow_uri, result, tmp_path, call
):
    result.bundle.save(tmp_path / "bundle")
    names = (registry._experiment, registry._model)
    done = subprocess.run([sys.executable, "-c", KILLED, call, tmp_path / "bundle", mlflow_uri, *names], check=False)
    assert done.returncode == -signal.SIGKILL
    assert registry.list_versions() == []
    again = registry.log_and_register(result)
    assert registry.get(again.version) == result.bundle
    experiment = client.get_experiment_by_name(registry._experiment)
    runs = {run.info.run_id: run.info.status for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs.values()) == ["FINISHED", "KILLED"]
    assert runs[again.run_id] == "FINISHED"


KILLED = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from mlflow import MlflowClient
from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.scoring.bundle import ModelBundle

call = sys.argv[1]
real = getattr(MlflowClient, call)
def killed(*arguments, **more):
    real(*arguments, **more)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(MlflowClient, call, killed)
bundle = ModelBundle.load(Path(sys.argv[2]))
result = SimpleNamespace(bundle=bundle, validation_average_precision=())
MlflowRegistry(*sys.argv[3:]).log_and_register(result)
"""


def test_a_run_of_a_living_process_is_left_alone(registry, client, result):
    with registry.training_run() as first:
        registry.log_and_register(result)
        assert client.get_run(first.run_id).info.status == "RUNNING"
    assert client.get_run(first.run_id).info.status == "FINISHED"


class TestPromotion:
    def test_the_former_champion_is_kept_and_rolled_back_to(self, registry, result, other_result):
        assert registry.find_champion() is None
        registry.log_and_register(result)
        registry.log_and_register(other_result)
        with pytest.raises(RegistryError, match="nothing to roll back to"):
            registry.rollback()
        registry.promote(1, over=None)
        with pytest.raises(RegistryError, match="nothing to roll back to"):
            registry.rollback()
        registry.set_alias(CHALLENGER, 2)
        registry.promote(2, over=1)
        aliases = {version.version: version.aliases for version in registry.list_versions()}
        assert aliases == {2: ("champion",), 1: ("previous",)}
        assert registry.rollback() == (1, 2)
        assert registry.champion() == (1, result.bundle.digest)
        assert registry.find("previous").version == 2

    def test_a_champion_that_was_not_seen_is_not_replaced(self, registry, result):
        for _ in range(3):
            registry.log_and_register(result)
        registry.promote(1, over=None)
        registry.promote(2, over=1)
        for seen in (1, None):
            with pytest.raises(ChampionMoved, match="no longer"):
                registry.promote(3, over=seen)
        assert registry.find_champion().version == 2
        assert registry.find("previous").version == 1

    def test_of_several_at_once_one_is_promoted(self, registry, mlflow_uri, result):
        for _ in range(4):
            registry.log_and_register(result)
        registry.promote(1, over=None)
        ready = threading.Barrier(3)

        def promote(version):
            own = MlflowRegistry(mlflow_uri, registry._experiment, registry._model)
            own.get(version)
            ready.wait()
            try:
                own.promote(version, over=1)
            except ChampionMoved:
                return None
            return version

        with ThreadPoolExecutor(3) as threads:
            promoted = [version for version in threads.map(promote, (2, 3, 4)) if version]
        assert promoted == [registry.find_champion().version]
        assert registry.find("previous").version == 1
        assert not [tag for tag in registry._client.get_registered_model(registry._model).tags if "moving" in tag]

    def test_who_died_while_moving_does_not_stop_the_next(self, registry, client, result):
        registry.log_and_register(result)
        client.set_registered_model_tag(registry._model, "paywarden.moving.dead", str(1_600_000_000_000 - 60_000))
        registry.promote(1, over=None)
        assert registry.find_champion().version == 1

    def test_a_damaged_version_is_not_promoted(self, registry, result, mlflow_data):
        registered = registry.log_and_register(result)
        (policy,) = mlflow_data.glob(f"artifacts/*/{registered.run_id}/artifacts/model/bundle/policy.json")
        policy.write_bytes(policy.read_bytes() + b" ")
        with pytest.raises(BundleError):
            registry.promote(1, over=None)
        assert registry.find_champion() is None


class TestMalice:
    """What somebody with access to the artifacts could put there; nothing of it may run."""

    @pytest.fixture
    def folder(self, registry, result, mlflow_data):
        registered = registry.log_and_register(result)
        (folder,) = mlflow_data.glob(f"artifacts/*/{registered.run_id}/artifacts/model")
        return folder

    @pytest.fixture
    def traces(self, tmp_path):
        return tmp_path / "traces"

    def refused(self, registry, traces, match):
        with pytest.raises((BundleError, RegistryError), match=match):
            registry.get(1)
        with pytest.raises((BundleError, RegistryError), match=match):
            registry.promote(1, over=None)
        assert registry.find_champion() is None
        assert not traces.exists()

    @pytest.mark.parametrize("place", ["python_model.pkl", "code/evil.py", "bundle/booster.pkl"])
    def test_a_pickle_or_code_beside_or_in_the_bundle(self, registry, folder, traces, place):
        class Evil:
            def __reduce__(self):
                return (exec, (f"open({str(traces)!r}, 'w').close()",))

        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_bytes(pickle.dumps(Evil()))
        self.refused(registry, traces, "run code")

    @pytest.mark.parametrize(
        "flavours",
        [
            {"python_function": {"loader_module": "os", "python_model": "python_model.pkl"}},
            {"paywarden": {"bundle": "bundle", "loader_module": "os"}},
            {"sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"}},
            {},
        ],
    )
    def test_a_flavour_that_loads_code(self, registry, folder, traces, flavours):
        (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavours}))
        self.refused(registry, traces, "flavours")

    def test_yaml_that_makes_objects(self, registry, folder, traces):
        (folder / "MLmodel").write_text(f"flavors: !!python/object/apply:os.system ['touch {traces}']")
        self.refused(registry, traces, "cannot be read")

    def test_a_link_out_of_the_store(self, registry, folder, traces, tmp_path):
        (tmp_path / "secret").write_text("{}")
        (folder / "bundle" / "policy.json").unlink()
        (folder / "bundle" / "policy.json").symlink_to(tmp_path / "secret")
        self.refused(registry, traces, "download")  # the server already gives out no link that leaves its store

    def test_a_file_that_would_fill_the_disk_is_not_downloaded(self, registry, folder, traces, monkeypatch):
        with (folder / "bundle" / "booster.ubj").open("r+b") as booster:
            booster.truncate((1 << 30) + 1)
        download, asked = MlflowClient.download_artifacts, []

        def watched(client, run_id, path, to):
            asked.append(path)
            return download(client, run_id, path, to)

        monkeypatch.setattr(MlflowClient, "download_artifacts", watched)
        self.refused(registry, traces, "booster.ubj")
        assert set(asked) == {"model/MLmodel"}


@pytest.mark.filterwarnings("ignore")  # of MLflow's own imports, which loading a model sets off
def test_mlflow_knows_the_signature_and_can_load_nothing(registry, client, result, tmp_path):
    with registry.training_run() as run:
        version = run.register(result, example=np.array([[1.5, np.nan]], dtype=np.float32))
        run.log_trial(TrialRecord(0, {"max_depth": 3}, 0.25, "complete", 12))
    local = client.download_artifacts(version.run_id, "model", str(tmp_path))
    model = mlflow.models.Model.load(local)
    assert model.signature.inputs.input_names() == list(result.bundle.feature_names)
    example = model.load_input_example(local)
    assert example["card_count_1h"].tolist() == [1.5]
    assert np.isnan(example["amount"].to_numpy()).all()
    with pytest.raises(MlflowException, match="python_function"):
        mlflow.pyfunc.load_model(local)
    experiment = client.get_experiment_by_name(registry._experiment).experiment_id
    (trial,) = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{version.run_id}'")
    assert trial.data.metrics == {"average_precision": 0.25, "rounds": 12.0}
    assert trial.data.params == {"max_depth": "3"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy, from within MLflow
def test_a_model_may_live_in_a_file_without_a_server(tmp_path, result):
    registry = MlflowRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}", "nightly", "fraud")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)  # MLflow puts the files of such a store into the working directory
        registry.log_and_register(result)
        registry.set_alias(CHAMPION, 1)
        assert registry.get(CHAMPION).digest == result.bundle.digest


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]  # bound, never listening: every connection is refused


@pytest.fixture
def silent_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)  # connections open and nobody answers
        yield listener.getsockname()[1]


def test_an_unreachable_server_is_said_at_once(closed_port):
    registry = MlflowRegistry(f"http://127.0.0.1:{closed_port}", "e", "m")
    began = time.monotonic()
    with pytest.raises(RegistryError, match="Check that the MLflow server runs"):
        registry.champion()
    assert time.monotonic() - began < 10


def test_a_server_that_never_answers_is_given_up_within_seconds(silent_port):
    registry = MlflowRegistry(f"http://127.0.0.1:{silent_port}", "e", "m")
    began = time.monotonic()
    with pytest.raises(RegistryError, match="Check that the MLflow server runs"):
        registry.champion()
    assert time.monotonic() - began < 25
