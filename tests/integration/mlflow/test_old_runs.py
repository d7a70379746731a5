"""Old runs on a real MLflow server: what a version needs stays, with its whole family."""

import pytest

from paywarden.adapters.mlflow.client import open_client
from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.clock import system_clock

DAY = 86_400_000
NOW = system_clock()


@pytest.fixture
def place(mlflow_uri, request):
    """A registry in an experiment of the test's own."""
    return MlflowRegistry(mlflow_uri, f"tidy-{request.node.name}", f"tidy-{request.node.name}")


@pytest.fixture
def make(mlflow_uri, place):
    client = open_client(mlflow_uri)
    experiment = place._experiment_id()

    def run(days, parent=None, *, ended=True):
        tags = {"mlflow.parentRunId": parent} if parent else {}
        at = NOW - days * DAY
        run_id = client.create_run(experiment, start_time=at, tags=tags).info.run_id
        if ended:
            client.set_terminated(run_id, "FINISHED", end_time=at)
        return run_id

    return run


def register(uri, name, run_id):
    client = open_client(uri)
    client.create_registered_model(name)
    client.create_model_version(name, f"{client.get_run(run_id).info.artifact_uri}/model", run_id)


def left(place):
    return {run.info.run_id for run in place._client.search_runs([place._experiment_id()])}


def test_old_runs_without_a_version_go_with_their_trials(place, make):
    old, young = make(100), make(10)
    trial = make(100, old)
    tidied = place.tidy_runs(NOW - 90 * DAY)
    assert set(tidied.removed) == {old, trial}
    assert left(place) == {young}
    assert place.tidy_runs(NOW - 90 * DAY).removed == ()


def test_a_run_that_bears_a_version_keeps_what_is_nested_in_it(place, make, mlflow_uri):
    bearing = make(200)
    trial = make(200, bearing)
    deeper = make(200, trial)
    register(mlflow_uri, "of-another-name", bearing)
    old = make(200)
    tidied = place.tidy_runs(NOW - 90 * DAY)
    assert set(tidied.removed) == {old}
    assert tidied.kept_for_versions == 3
    assert left(place) == {bearing, trial, deeper}


def test_a_nested_run_that_bears_a_version_keeps_its_parent(place, make, mlflow_uri):
    parent = make(200)
    register(mlflow_uri, "of-a-trial", make(200, parent))
    assert place.tidy_runs(NOW - 90 * DAY).removed == ()


def test_what_is_under_way_or_has_a_younger_trial_stays(place, make):
    make(200, ended=False)
    make(10, make(200))
    assert place.tidy_runs(NOW - 90 * DAY).removed == ()


def test_a_dry_run_removes_nothing(place, make):
    old = make(100)
    assert place.tidy_runs(NOW - 90 * DAY, dry_run=True).removed == (old,)
    assert left(place) == {old}


def test_without_the_experiment_there_is_nothing_to_do(mlflow_uri):
    assert MlflowRegistry(mlflow_uri, "never-made", "never-made").tidy_runs(NOW).to_dict()["removed"] == 0
