"""Watch the champion.

Every hour: drift, performance on what has matured, labels, parity of served and replayed vectors. An alarm fails the
task and so tells the webhook; a model that has decayed is trained anew, at most once a day.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, task

from paywarden_tasks import DEFAULT_ARGS, PaywardenOperator

OUT = "{% set out = var.value.get('paywarden_monitor_out', '') %}{{ '--out=' ~ out if out else '' }}"

with DAG(
    dag_id="monitor",
    description="Whether what is served is still what was promised",
    doc_md=__doc__,
    schedule="30 * * * *",
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["paywarden"],
):
    monitor = PaywardenOperator(
        task_id="monitor",
        arguments=["monitor", OUT],
        passes=["retrain"],
        execution_timeout=timedelta(minutes=50),
    )

    @task.short_circuit
    def has_decayed(found: dict[str, Any]) -> bool:
        """Whether the model is to be trained anew."""
        return bool(found["verdict"] == "retrain")

    retrain = TriggerDagRunOperator(
        task_id="retrain",
        trigger_dag_id="train_challenger",
        trigger_run_id="decayed~{{ dag_run.run_after | ds }}",
        skip_when_already_exists=True,
    )

    has_decayed(monitor.output) >> retrain
