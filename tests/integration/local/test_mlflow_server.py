"""The local MLflow server tracks, stores artifacts through itself and finds them again after a restart."""

from __future__ import annotations

import http.client
import json

import pytest

from paywarden.adapters.local.mlflow_server import LocalMlflowServer
from paywarden.errors import EnvironmentNotReady


def call(server, method, path, body=None):
    connection = http.client.HTTPConnection(server.tracking_uri.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, f"/api/2.0/{path}", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return json.loads(answer.read() or b"{}")
    finally:
        connection.close()


def test_an_experiment_and_an_artifact_survive_a_crash(tmp_path):
    with LocalMlflowServer(tmp_path) as server:
        created = call(server, "POST", "mlflow/experiments/create", json.dumps({"name": "kept"}))
        call(server, "PUT", "mlflow-artifacts/artifacts/note.txt", b"bytes")
        uri = server.tracking_uri
        server.kill()
        assert not server.running
        server.start()
        assert server.tracking_uri == uri
        found = call(server, "GET", "mlflow/experiments/get-by-name?experiment_name=kept")
        assert found["experiment"]["experiment_id"] == created["experiment_id"]
        assert found["experiment"]["artifact_location"].startswith("mlflow-artifacts:")
    assert (tmp_path / "artifacts" / "note.txt").read_bytes() == b"bytes"
    assert not server.running


def test_before_its_start_there_is_no_address(tmp_path):
    with pytest.raises(EnvironmentNotReady, match="has not been started"):
        _ = LocalMlflowServer(tmp_path).tracking_uri
