"""The DAGs as the real Airflow reads them: nothing wrong, the shape that is checked in, commands that exist."""

import json
import os
import re
from pathlib import Path

import typer

from paywarden.cli.app import app

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).parent / "shape.json"


def commands(bag):
    return {
        f"{dag_id}.{task_id}": task["arguments"]
        for dag_id, dag in bag["dags"].items()
        for task_id, task in dag["tasks"].items()
        if task["arguments"] is not None
    }


def wrong_with(arguments):
    """What the command line would object to; a template stands for a word that fits."""
    command, words = typer.main.get_command(app), [*arguments, "--json"]
    while words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    options = [option for word in words for option in re.findall(r"(--[a-z-]+)", word)]
    positional = [word for word in words if not re.search(r"--[a-z]", word)]
    wanted = [p.name for p in command.params if p.param_type_name == "argument" and p.required]
    wrong = [option for option in options if option not in known]
    if hasattr(command, "commands") or len(positional) != len(wanted):
        wrong.append(f"{' '.join(arguments)}: {positional} for {wanted}")
    return wrong


def test_airflow_reads_them_without_an_error_or_a_warning(bag):
    assert bag["errors"] == {}
    assert bag["warnings"] == []
    assert set(bag["dags"]) == {"train_challenger", "backfill", "monitor", "maintain"}


def test_their_shape_is_the_one_that_is_checked_in(bag):
    """WRITE_SHAPE=1 writes it anew, for a change that is meant."""
    if os.environ.get("WRITE_SHAPE"):
        SNAPSHOT.write_text(json.dumps(bag["dags"], indent=1, sort_keys=True) + "\n")
    assert bag["dags"] == json.loads(SNAPSHOT.read_text())


def test_each_task_calls_a_command_that_exists_with_options_that_it_has(bag):
    found = commands(bag)
    assert len(found) == 11
    assert {name: wrong_with(arguments) for name, arguments in found.items() if wrong_with(arguments)} == {}


def test_a_command_that_does_not_exist_would_be_found():
    assert wrong_with(["train", "--promote=later"]) == []
    assert wrong_with(["train", "--no-such=1"]) == ["--no-such"]
    assert wrong_with(["models", "judge"])
    assert wrong_with(["modls", "judge", "3"])
    assert wrong_with(["maintain"])


def test_every_pool_is_made_when_the_platform_is(bag):
    made = json.loads((ROOT / "deploy" / "airflow" / "pools.json").read_text())
    used = {task["pool"] for dag in bag["dags"].values() for task in dag["tasks"].values()}
    assert used - {"default_pool"} == set(made)


def test_a_new_platform_waits_for_the_next_time_instead_of_running_what_it_missed(bag):
    """With a start date Airflow would at once run the latest night that has passed, on a lake that is still empty."""
    assert {(dag["start_date"], dag["catchup"]) for dag in bag["dags"].values()} == {(None, False)}


def test_every_task_is_tried_again_bounded_in_time_and_told_of(bag):
    for dag in bag["dags"].values():
        for task in dag["tasks"].values():
            assert task["retries"] >= 2
            assert task["retry_backoff"] == 2.0
            assert 0 < task["timeout_seconds"] <= 24 * 3600
            assert task["on_failure"] == ["tell_failure"]
