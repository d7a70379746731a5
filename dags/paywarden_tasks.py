"""What the DAGs share: the operator that runs a `paywarden` command, how tasks are tried again, and who is told."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Param, Variable
from airflow.sdk.exceptions import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

LOG = logging.getLogger(__name__)

COMMAND = "PAYWARDEN_COMMAND"
"""The variable that names the command; the product is installed apart from Airflow."""
WEBHOOK = "PAYWARDEN_ALERT_WEBHOOK"
"""The variable, of the environment or of Airflow, with the URL that failures are posted to; none by default."""

USAGE, VERDICT = 2, 3  # what `paywarden` exits with for a wrong option, and for "no, and here is why"
GRACE_SECONDS = 30.0
WEBHOOK_SECONDS = 10.0
AS_OF = "{{ '--as-of=' ~ params.as_of if params.as_of else '' }}"
AS_OF_PARAM = Param(
    None, type=["null", "string"], description="Only what was known then, UTC: 2024-05-01T06:00. Empty: everything."
)


class Stopped(AirflowFailException):
    """A command did its work and said no; trying again would not change it."""

    def __init__(self, command: str, reasons: Sequence[str]) -> None:
        super().__init__(f"`{command}` says stop. " + " ".join(reasons))
        self.reasons = list(reasons)


def tell_failure(context: Context) -> None:
    """Log that a task has failed for good, and post it to the webhook.

    Told are which task it was, why as far as its command gave reasons, and where its log is; nothing of a transaction,
    and nothing of what the command wrote to its log.
    """
    ti, error = context["ti"], context.get("exception")
    told = {
        "dag_id": ti.dag_id,
        "task_id": ti.task_id,
        "run_id": ti.run_id,
        "try_number": ti.try_number,
        "state": "failed",
        "error": type(error).__name__ if error else None,
        "reasons": getattr(error, "reasons", []),
        "log_url": getattr(ti, "log_url", None),
    }
    LOG.error("task failed for good: %s", json.dumps(told))
    url = os.environ.get(WEBHOOK) or Variable.get(WEBHOOK, default=None)
    if not url:
        return
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(told).encode(), headers)  # noqa: S310 -- the operator's own URL
    try:
        urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS).close()  # noqa: S310 -- as above
    except OSError as failed:
        LOG.error("the webhook was not told: %s", type(failed).__name__)  # noqa: TRY400 -- the URL may hold a secret


DEFAULT_ARGS: dict[str, Any] = {
    "owner": "paywarden",
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(minutes=10),
    "on_failure_callback": [tell_failure],
}


class PaywardenOperator(BaseOperator):
    """Runs `paywarden ARGUMENTS --json`; the JSON that the command prints is the XCom, its stderr is the log.

    Exit status 3 fails the task for good, with the command's reasons, unless its verdict is among ``passes``. Any other
    failure is tried again, except a wrong option. Empty arguments are left out, so that a template can omit one.
    """

    template_fields: Sequence[str] = ("arguments",)
    ui_color = "#dfe9f3"

    def __init__(self, *, arguments: Sequence[str], passes: Collection[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 -- Airflow's own
        super().__init__(**kwargs)
        self.arguments = list(arguments)
        self.passes = list(passes)
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 -- Airflow's signature
        """What the command printed."""
        words = [word for word in self.arguments if word]
        command = [*shlex.split(os.environ.get(COMMAND, "paywarden")), *words, "--json"]
        shown = shlex.join(["paywarden", *words])
        self.log.info("running %s", shlex.join(command))
        status, printed = self._run(command)
        document = last_json(printed)
        if document is not None:
            self.log.info("%s", json.dumps(document))
        if status == VERDICT and document is not None:
            if document.get("verdict") not in self.passes:
                raise Stopped(shown, [str(reason) for reason in document.get("reasons", [])])
        elif status == USAGE:
            raise AirflowFailException(f"`{shown}` is not a command of this Paywarden; its log says what is wrong.")
        elif status != 0 or document is None:
            raise AirflowException(f"`{shown}` ended with status {status}; its log is above.")
        return document

    def on_kill(self) -> None:
        """The command and its children have ended: asked first, forced after half a minute."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _run(self, command: Sequence[str]) -> tuple[int, str]:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=own_environment(os.environ),
            start_new_session=True,
        )
        self._process = process
        log = threading.Thread(target=self._log_lines, args=(process.stderr,), daemon=True)
        log.start()
        try:
            printed = process.stdout.read() if process.stdout else ""
            status = process.wait()
        finally:
            self.on_kill()  # a timeout leaves by an exception, and must not leave a training behind
            log.join(GRACE_SECONDS)
        return status, printed

    def _log_lines(self, lines: IO[str]) -> None:
        for line in lines:
            self.log.info("%s", line.rstrip())


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command: ours without what is Airflow's, whose secrets are none of its business."""
    ours = ("AIRFLOW_", "_AIRFLOW_", COMMAND, WEBHOOK)
    kept = {name: value for name, value in environment.items() if not name.startswith(ours)}
    return {"COLUMNS": "160", **kept}


def last_json(printed: str) -> dict[str, Any] | None:
    """The JSON object in the last line; None where there is none."""
    lines = printed.strip().splitlines()
    try:
        document = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
