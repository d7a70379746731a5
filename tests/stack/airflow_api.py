"""Airflow's REST API, as far as the test needs it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from stack import StackError

ENDED = {"success", "failed", "upstream_failed", "skipped", "removed"}


class Airflow:
    """A client with the administrator's token."""

    def __init__(self, port: int, password: str) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._password = password
        self._token: str | None = None

    def trigger(self, dag: str) -> str:
        """The id of a new run; whatever else is under way of the DAG is failed first."""
        for run in self.get(f"/dags/{dag}/dagRuns?limit=50")["dag_runs"]:
            if run["state"] in ("queued", "running"):
                self._call("PATCH", f"/dags/{dag}/dagRuns/{run['dag_run_id']}", {"state": "failed"})
        return str(self._call("POST", f"/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"])

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """Task → its instance."""
        found = self.get(f"/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def wait_for_task(self, dag: str, run: str, task: str, state: str, seconds: float = 600) -> dict[str, Any]:
        """The task's instance once it is in a state. Raises StackError where it ends in another."""
        return self._wait(
            lambda: self._in_state(self.tasks(dag, run).get(task, {}), state), seconds, f"{task} of {run} to be {state}"
        )

    def wait(self, dag: str, run: str, say: Callable[[str], None], seconds: float = 1200) -> dict[str, dict[str, Any]]:
        """The tasks of a run that succeeded; each is said when it ends. Raises StackError for a run that failed."""
        told: set[str] = set()

        def ended() -> dict[str, dict[str, Any]] | None:
            tasks = self.tasks(dag, run)
            for name, task in tasks.items():
                if task["state"] in ENDED and name not in told:
                    told.add(name)
                    say(f"{name}: {task['state']} in {task['duration'] or 0:.0f} s, try {task['try_number']}")
                attempt = f"{name} {task['try_number']}"
                if task["state"] == "up_for_retry" and attempt not in told:
                    told.add(attempt)
                    for line in self.log(dag, run, name, task["try_number"])[-8:]:
                        say(f"{name}, try {task['try_number']}: {line}")
            state = self.get(f"/dags/{dag}/dagRuns/{run}")["state"]
            if state == "failed":
                raise StackError(f"{dag} {run} failed")
            return tasks if state == "success" else None

        try:
            return self._wait(ended, seconds, f"{dag} {run}")
        except StackError as error:
            raise StackError("\n".join([str(error), *self.story(dag, run)])) from error

    def story(self, dag: str, run: str) -> list[str]:
        """What became of each try of the tasks that did not succeed at once, with the end of its log."""
        lines: list[str] = []
        for name, task in self.tasks(dag, run).items():
            if task["state"] in ("success", None) and task["try_number"] <= 1:
                continue
            for attempt in self.tries(dag, run, name):
                took = f"{attempt['duration'] or 0:.0f} s on {attempt['hostname'] or 'no worker'}"
                lines.append(f"{name}, try {attempt['try_number']}: {attempt['state']} after {took}")
                if attempt["state"] != "success":
                    lines += [f"    {line}" for line in self.log(dag, run, name, attempt["try_number"])[-15:]]
        return lines

    def tries(self, dag: str, run: str, task: str) -> list[dict[str, Any]]:
        """The tries of a task that have begun, in their order."""
        found = self.get(f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/tries")["task_instances"]
        return sorted(found, key=lambda attempt: int(attempt["try_number"]))

    def log(self, dag: str, run: str, task: str, attempt: int) -> list[str]:
        """The lines of a try's log; one that says so where Airflow has none."""
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}?full_content=true"
        try:
            content = self.get(path)["content"]
        except StackError as error:
            return [str(error)]
        return [str(line.get("event", line)) for line in content]

    def result(self, dag: str, run: str, task: str) -> Any:
        """What a task returned, as JSON."""
        value = self.get(f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value")["value"]
        return json.loads(value) if isinstance(value, str) else value

    def get(self, path: str) -> Any:
        """The answer of a GET."""
        return self._call("GET", path)

    def _in_state(self, task: dict[str, Any], state: str) -> dict[str, Any] | None:
        if task.get("state") == state:
            return task
        if task.get("state") in ENDED:
            raise StackError(f"{task['task_id']} is {task['state']}, not {state}")
        return None

    def _wait(self, look: Callable[[], Any], seconds: float, what: str) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = look()
            if found is not None:
                return found
            time.sleep(1)
        raise StackError(f"waited {seconds:.0f} s for {what}")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        for attempt in range(5):
            try:
                return self._send(method, f"/api/v2{path}", body, self._signed_in())
            except urllib.error.HTTPError as error:
                if error.code == 401:  # the token has run out
                    self._token = None
                elif error.code < 500:
                    raise StackError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from error
            except OSError:
                if attempt == 4:
                    raise
            time.sleep(3)
        raise StackError(f"{method} {path} did not answer")

    def _signed_in(self) -> str:
        if self._token is None:
            login = {"username": "admin", "password": self._password}
            self._token = str(self._send("POST", "/auth/token", login, None)["access_token"])
        return self._token

    def _send(self, method: str, path: str, body: dict[str, Any] | None, token: str | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
