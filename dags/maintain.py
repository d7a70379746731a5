"""Keep the platform in bounds.

Every morning at 05:30: small files of the lake are put together and old ones removed, MLflow's old runs that bear no
version are deleted, and records of the online state that have expired make room.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from paywarden_tasks import DEFAULT_ARGS, PaywardenOperator

with DAG(
    dag_id="maintain",
    description="Lake, runs and online state in bounds",
    doc_md=__doc__,
    schedule="30 5 * * *",
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["paywarden"],
):
    PaywardenOperator(task_id="lake", arguments=["maintain", "lake"], pool="lake", execution_timeout=timedelta(hours=4))
    PaywardenOperator(task_id="runs", arguments=["maintain", "runs"], execution_timeout=timedelta(hours=1))
    PaywardenOperator(task_id="state", arguments=["maintain", "state"], execution_timeout=timedelta(hours=2))
