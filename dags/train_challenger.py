"""Train a challenger on what has matured, and let the gate decide.

Every night at 03:00: check that everything is there, bring the lake up to date, look at the new data, train, compare
with the champion, promote or abstain, and say what happened. Each task is one `paywarden` command that may be run
again: a training that was killed is finished by its next try, under the key of this run, so clearing `train` trains
nothing anew; trigger another run for that.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from paywarden_tasks import AS_OF, AS_OF_PARAM, DEFAULT_ARGS, PaywardenOperator

VERSION = "{{ ti.xcom_pull(task_ids='train')['version'] }}"

with DAG(
    dag_id="train_challenger",
    description="From new events in Kafka to a judged model",
    doc_md=__doc__,
    schedule="0 3 * * *",
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=20),
    default_args=DEFAULT_ARGS,
    params={
        "as_of": AS_OF_PARAM,
        "promote": Param("gate", enum=["gate", "never"], description="Whether what passes the gate is to serve."),
        "trials": Param(
            None, type=["null", "integer"], minimum=1, description="Search hyperparameters so often. Empty: as set."
        ),
    },
    tags=["paywarden"],
):
    check_environment = PaywardenOperator(task_id="check_environment", arguments=["check", "--stack"])
    archive = PaywardenOperator(
        task_id="archive", arguments=["archive"], pool="lake", execution_timeout=timedelta(hours=2)
    )
    check_data = PaywardenOperator(
        task_id="check_data", arguments=["data", "check", AS_OF], execution_timeout=timedelta(hours=1)
    )
    train = PaywardenOperator(
        task_id="train",
        arguments=[
            "train",
            "--promote=later",
            "--once={{ run_id }}",
            AS_OF,
            "{{ '--tuning-trials=' ~ params.trials if params.trials else '' }}",
        ],
        pool="training",
        execution_timeout=timedelta(hours=8),
    )
    judge = PaywardenOperator(
        task_id="judge",
        arguments=["models", "judge", VERSION],
        pool="training",
        execution_timeout=timedelta(hours=4),
    )
    promote = PaywardenOperator(
        task_id="promote",
        arguments=[
            "models",
            "promote",
            VERSION,
            "--by-gate",
            "--judge-again",
            "{{ '--dry-run' if params.promote == 'never' else '' }}",
        ],
        pool="training",
        execution_timeout=timedelta(hours=4),
    )
    report = PaywardenOperator(task_id="report", arguments=["models", "report", VERSION])

    check_environment >> archive >> check_data >> train >> judge >> promote >> report
