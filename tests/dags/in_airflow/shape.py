"""Run by Airflow's own Python: the DAGs of a folder as JSON, with what is wrong with them.

python shape.py FOLDER RESULT
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import BundleDagBag


def shape_of_task(task: Any) -> dict[str, Any]:
    known = task.partial_kwargs if task.is_mapped else vars(task)
    return {
        "type": task.task_type,
        "arguments": known.get("arguments"),
        "triggers": known.get("trigger_dag_id"),
        "deferrable": known.get("deferrable"),
        "after": sorted(task.upstream_task_ids),
        "pool": task.pool,
        "retries": task.retries,
        "retry_delay_seconds": task.retry_delay.total_seconds(),
        "retry_backoff": task.retry_exponential_backoff,
        "longest_retry_delay_seconds": task.max_retry_delay.total_seconds(),
        "timeout_seconds": task.execution_timeout.total_seconds(),
        "on_failure": [callback.__name__ for callback in task.on_failure_callback],
        "passes": known.get("passes"),
    }


def shape_of_param(param: Any) -> dict[str, Any]:
    return {"default": param.value, **param.schema}


def shape_of_dag(dag: Any) -> dict[str, Any]:
    return {
        "schedule": dag.schedule,
        "start_date": dag.start_date,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "params": {name: shape_of_param(dag.params.get_param(name)) for name in dag.params},
        "tasks": {task.task_id: shape_of_task(task) for task in dag.tasks},
    }


folder = Path(sys.argv[1])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    bag = BundleDagBag(str(folder), bundle_path=folder, safe_mode=True)
ours = [str(warning.message) for warning in caught if folder in Path(warning.filename).parents]
document = {
    "dags": {dag_id: shape_of_dag(dag) for dag_id, dag in sorted(bag.dags.items())},
    "errors": bag.import_errors,
    "warnings": ours + [str(found) for found in bag.captured_warnings.items()],
}
Path(sys.argv[2]).write_text(json.dumps(document))
