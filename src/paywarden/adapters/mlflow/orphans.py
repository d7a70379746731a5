"""Runs that say RUNNING and whose process is gone: killed by the system, or with the machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_HOST: Final = "paywarden.host"
_ORPHANED: Final = "paywarden.orphaned"
_PROCESS: Final = "paywarden.process"
_GIVEN_UP_MS: Final = 24 * 3_600_000  # nothing here trains for a day


def process_tags() -> dict[str, str]:
    """What a run says of the process that makes it."""
    return {_HOST: socket.gethostname(), _PROCESS: str(os.getpid())}


def close_orphans(client: MlflowClient, experiment_id: str, now: int) -> list[str]:
    """Mark as KILLED the experiment's runs whose process is gone; their ids.

    Gone is a process of this machine that no longer lives, or one of another that began a day before `now` (epoch ms).
    """
    running = client.search_runs([experiment_id], "attributes.status = 'RUNNING'", max_results=1000)
    orphans = [run for run in running if _HOST in run.data.tags and _is_gone(run, now)]
    for run in orphans:
        client.set_tag(run.info.run_id, _ORPHANED, "its process is gone")
        client.set_terminated(run.info.run_id, "KILLED")
    return [run.info.run_id for run in orphans]


def close_tries(client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> None:
    """Mark as KILLED the experiment's runs that bear all these tags and have not ended: another try takes their place.

    Without tags none is. A scheduler starts a try once it has given the former up, whose process this one may not see.
    """
    if not tags:
        return
    wanted = "".join(f" AND tags.`{name}` = '{value}'" for name, value in tags.items())
    for run in client.search_runs([experiment_id], f"attributes.status = 'RUNNING'{wanted}", max_results=1000):
        client.set_tag(run.info.run_id, _ORPHANED, "another try took its place")
        client.set_terminated(run.info.run_id, "KILLED")


def _is_gone(run: Run, now: int) -> bool:
    if run.data.tags[_HOST] != socket.gethostname():
        return bool(now - run.info.start_time > _GIVEN_UP_MS)
    try:
        os.kill(int(run.data.tags[_PROCESS]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, ValueError):
        return False
    return False
