"""The registry against a real MLflow server."""

import itertools
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest
from mlflow import MlflowClient

from paywarden.adapters.mlflow.registry import CHALLENGER, CHAMPION, MlflowRegistry
from paywarden.errors import BundleError, RegistryError
from paywarden.scoring.scorer import Scorer

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
    stored = {file.path for folder in ("bundle", "report") for file in client.list_artifacts(registered.run_id, folder)}
    assert stored == {f"bundle/{name}" for name in result.bundle.to_files()} | {"report/test.png"}


def test_aliases_move_and_roll_back(registry, result, other_result):
    registry.log_and_register(result)
    registry.log_and_register(other_result)
    registry.set_alias(CHAMPION, 1)
    registry.set_alias(CHALLENGER, 2)
    assert registry.champion() == (1, result.bundle.digest)
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
    (policy,) = mlflow_data.glob(f"artifacts/*/{altered.run_id}/artifacts/bundle/policy.json")
    policy.write_bytes(policy.read_bytes().replace(b"3.25", b"9.25"))
    with pytest.raises(BundleError, match=r"policy\.json"):
        registry.get(2)
    with pytest.raises(BundleError):
        registry.set_alias(CHAMPION, 2)
    assert registry.champion() == (1, result.bundle.digest)


def test_a_whole_other_bundle_under_the_version_is_refused(registry, result, other_result, mlflow_data):
    registered = registry.log_and_register(result)
    (folder,) = mlflow_data.glob(f"artifacts/*/{registered.run_id}/artifacts/bundle")
    for name, content in other_result.bundle.to_files().items():
        (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match="names the bundle"):
        registry.get(1)


def test_a_pickle_added_in_the_store_is_refused(registry, result, mlflow_data):
    registered = registry.log_and_register(result)
    (folder,) = mlflow_data.glob(f"artifacts/*/{registered.run_id}/artifacts/bundle")
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


def test_a_run_that_is_killed_leaves_the_champion_and_no_version(registry, mlflow_uri, result, tmp_path):
    registry.log_and_register(result)
    registry.set_alias(CHAMPION, 1)
    result.bundle.save(tmp_path / "bundle")
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from types import SimpleNamespace
        from mlflow import MlflowClient
        from paywarden.adapters.mlflow.registry import MlflowRegistry
        from paywarden.scoring.bundle import ModelBundle

        upload = MlflowClient.log_artifacts
        def killed(*arguments, **more):
            upload(*arguments, **more)
            os.kill(os.getpid(), signal.SIGKILL)
        MlflowClient.log_artifacts = killed
        bundle = ModelBundle.load(Path(sys.argv[1]))
        result = SimpleNamespace(bundle=bundle, validation_average_precision=())
        MlflowRegistry(*sys.argv[2:]).log_and_register(result)
        """
    )
    names = (registry._experiment, registry._model)
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "bundle", mlflow_uri, *names], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [version.version for version in registry.list_versions()] == [1]
    assert registry.champion() == (1, result.bundle.digest)


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
