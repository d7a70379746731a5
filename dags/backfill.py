"""Train what would have been trained then.

For each of the moments given, one after another, a run of `train_challenger` that knows only what was known at that
moment and promotes nothing. The versions are judged, and stay in the registry for comparison.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, task

from paywarden_tasks import DEFAULT_ARGS

with DAG(
    dag_id="backfill",
    description="Trainings as of moments in the past",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "as_of": Param(
            ["2025-01-01T03:00"],
            type="array",
            minItems=1,
            items={"type": "string"},
            description="The moments, one a line, UTC: 2024-05-01T06:00.",
        ),
    },
    tags=["paywarden"],
):

    @task
    def moments(params: dict[str, Any]) -> list[dict[str, Any]]:
        """The parameters of each run."""
        return [{"as_of": moment, "promote": "never"} for moment in params["as_of"]]

    TriggerDagRunOperator.partial(
        task_id="train_challenger",
        trigger_dag_id="train_challenger",
        trigger_run_id="backfill~{{ run_id }}~{{ ti.map_index }}",
        reset_dag_run=True,  # a retry clears the run it has triggered; what was trained in it stays
        wait_for_completion=True,
        deferrable=True,
        poke_interval=60,
        failed_states=["failed"],
        max_active_tis_per_dagrun=1,
        execution_timeout=timedelta(hours=24),
    ).expand(conf=moments())
