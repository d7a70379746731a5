"""Run by Airflow's own Python: one run of a DAG in this process, by `dag.test()`: what became of its tasks, and
what was triggered.

    python run_dag.py FOLDER RESULT DAG CONF

Tasks are not tried again, which would take as long as the waits between tries. TIMEOUT_SECONDS, where it is set, is how
long each may take.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models import DagRun
from airflow.utils.types import DagRunType

folder, result, dag_id, conf = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
dag = BundleDagBag(str(folder), bundle_path=folder).dags[dag_id]
for task in dag.tasks:
    task.retries = 0
    if "TIMEOUT_SECONDS" in os.environ:
        task.execution_timeout = timedelta(seconds=float(os.environ["TIMEOUT_SECONDS"]))
run = dag.test(run_conf=conf)
tasks = {ti.task_id: [ti.state, ti.xcom_pull(task_ids=ti.task_id)] for ti in run.get_task_instances()}
triggered = [[made.dag_id, made.run_id] for made in DagRun.find(run_type=DagRunType.OPERATOR_TRIGGERED)]
result.write_text(json.dumps({"state": run.state, "run_id": run.run_id, "tasks": tasks, "triggered": triggered}))
