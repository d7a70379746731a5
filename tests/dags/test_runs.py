"""Runs of the DAGs in the real Airflow, with a command that only writes down what it was asked."""

import json
import os
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


@pytest.fixture
def webhook():
    """A server's URL, and the documents that were posted to it."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments):
            """Nothing: the test tells what came."""

    with serving(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}/secret-path", posted


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def states(run):
    return {task_id: state for task_id, (state, _) in run["tasks"].items()}


def test_a_night_hands_the_version_from_task_to_task(run_dag):
    run = run_dag("train_challenger", {"as_of": "2024-05-01T06:00", "trials": 3}, {"train": [0, {"version": 41}]})
    assert run["state"] == "success", run["log"][-4000:]
    assert run["called"] == [
        ["check", "--stack", "--json"],
        ["archive", "--json"],
        ["data", "check", "--as-of=2024-05-01T06:00", "--json"],
        ["train", "--promote=later", f"--once={run['run_id']}", "--as-of=2024-05-01T06:00", "--tuning-trials=3",
         "--json"],
        ["models", "judge", "41", "--json"],
        ["models", "promote", "41", "--by-gate", "--judge-again", "--json"],
        ["models", "report", "41", "--json"],
    ]  # fmt: skip
    assert run["tasks"]["train"] == ["success", {"version": 41}]
    assert "train is under way; it was given []" in run["log"]


def test_what_is_not_to_be_promoted_moves_no_alias(run_dag):
    run = run_dag("train_challenger", {"promote": "never"})
    assert run["called"][3][:3] == ["train", "--promote=later", f"--once={run['run_id']}"]
    assert len(run["called"][3]) == 4
    assert run["called"][5] == ["models", "promote", "7", "--by-gate", "--judge-again", "--dry-run", "--json"]


def test_data_that_must_not_be_trained_on_stop_the_night_with_their_reasons(run_dag, webhook):
    url, posted = webhook
    stop = {"verdict": "stop", "reasons": ["Labels have stopped."]}
    run = run_dag("train_challenger", None, {"data check": [3, stop]}, PAYWARDEN_ALERT_WEBHOOK=url)
    assert run["state"] == "failed"
    assert states(run)["check_data"] == "failed"
    assert states(run)["train"] == "upstream_failed"
    assert [words[0] for words in run["called"]] == ["check", "archive", "data"]
    (told,) = posted
    assert told["reasons"] == ["Labels have stopped."]
    assert (told["dag_id"], told["task_id"], told["run_id"]) == ("train_challenger", "check_data", run["run_id"])
    assert set(told) == {"dag_id", "task_id", "run_id", "try_number", "state", "error", "reasons", "log_url"}


def test_a_command_that_fails_fails_its_task_with_all_it_said_in_the_log(run_dag, webhook):
    url, posted = webhook
    answer = [1, {"said": "the broker is down"}]
    run = run_dag("train_challenger", None, {"archive": answer}, PAYWARDEN_ALERT_WEBHOOK=url)
    assert states(run)["archive"] == "failed"
    assert "archive is under way; it was given []" in run["log"]
    assert "the broker is down" in run["log"]
    assert "`paywarden archive` ended with status 1" in run["log"]
    assert [(told["task_id"], told["reasons"]) for told in posted] == [("archive", [])]


def test_a_webhook_that_does_not_answer_is_said_without_its_address(run_dag, webhook):
    url = "http://127.0.0.1:9/secret-path"
    run = run_dag("maintain", None, {"maintain runs": [1, {}]}, PAYWARDEN_ALERT_WEBHOOK=url)
    assert states(run) == {"lake": "success", "runs": "failed", "state": "success"}
    assert "the webhook was not told: URLError" in run["log"]
    assert "secret-path" not in run["log"]


def test_a_model_that_is_well_is_left_alone(run_dag):
    run = run_dag("monitor", None, {"monitor": [0, {"verdict": "watch", "reasons": ["Amounts drift."]}]})
    assert run["called"] == [["monitor", "--json"]]
    assert states(run) == {"monitor": "success", "has_decayed": "success", "retrain": "skipped"}


def test_a_model_that_has_decayed_is_trained_anew(run_dag, webhook):
    url, posted = webhook
    decayed = {"monitor": [3, {"verdict": "retrain", "reasons": ["Half of the frauds are missed."]}]}
    run = run_dag("monitor", None, decayed, PAYWARDEN_ALERT_WEBHOOK=url)
    assert states(run) == {"monitor": "success", "has_decayed": "success", "retrain": "success"}
    ((dag_id, run_id),) = run["triggered"]
    assert dag_id == "train_challenger"
    assert re.fullmatch(r"decayed~\d{4}-\d\d-\d\d", run_id)
    assert posted == []  # it is no failure, and nobody is woken
    later = run_dag("monitor", None, decayed)
    assert states(later)["retrain"] == "skipped"  # once a day
    assert later["triggered"] == run["triggered"]


def test_an_alarm_fails_and_is_told(run_dag, webhook):
    url, posted = webhook
    alarm = {"verdict": "alarm", "reasons": ["Half of the amounts are absent."]}
    run = run_dag("monitor", None, {"monitor": [3, alarm]}, PAYWARDEN_ALERT_WEBHOOK=url)
    assert states(run) == {"monitor": "failed", "has_decayed": "upstream_failed", "retrain": "upstream_failed"}
    assert posted[0]["reasons"] == ["Half of the amounts are absent."]


def test_a_task_that_takes_too_long_leaves_no_process_behind(run_dag):
    run = run_dag("maintain", None, None, RECORDER_SLEEP="maintain lake", TIMEOUT_SECONDS="5")
    assert states(run)["lake"] == "failed"
    assert "AirflowTaskTimeout" in run["log"]
    (number,) = re.findall(r"process (\d+) ", run["log"])
    with pytest.raises(ProcessLookupError):
        os.kill(int(number), 0)
