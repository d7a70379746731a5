"""Runs of the platform's DAGs, on its Celery worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_api import Airflow

from stack import Stack, StackError

TRAINING = "train_challenger"


class Runs:
    """Starts runs and judges them; ``say`` gets a line for each task that ends."""

    def __init__(self, stack: Stack, airflow: Airflow, say: Callable[[str], None]) -> None:
        self._stack, self._airflow, self._say = stack, airflow, say

    def train(self) -> dict[str, dict[str, Any]]:
        """A training, every task of which succeeded."""
        return self._whole(TRAINING, self._airflow.trigger(TRAINING))

    def maintain(self) -> None:
        """Lake, runs and online state are kept in bounds."""
        run = self._airflow.trigger("maintain")
        for task in self._whole("maintain", run):
            self._say(f"maintain {task}: {self._airflow.result('maintain', run, task)}")

    def monitor(self) -> dict[str, Any]:
        """What is found of the champion, whatever that is."""
        run = self._airflow.trigger("monitor")
        self._whole("monitor", run, may_be_skipped={"retrain"})
        return dict(self._airflow.result("monitor", run, "monitor"))

    def _whole(self, dag: str, run: str, may_be_skipped: set[str] | None = None) -> dict[str, dict[str, Any]]:
        tasks = self._airflow.wait(dag, run, self._say)
        worker = self._stack.run("airflow-worker", "hostname").strip()
        for name, task in tasks.items():
            if task["state"] == "skipped" and name in (may_be_skipped or set()):
                continue
            if task["state"] != "success":
                raise StackError(f"{name} is {task['state']}")
            if task["hostname"] != worker:
                raise StackError(f"{name} ran on {task['hostname']}, the Celery worker is {worker}")
        return tasks
