"""Old runs that bear no version: nobody asks for them, and each nightly training adds one with its trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PARENT: Final = "mlflow.parentRunId"
_PAGE: Final = 1000
_RUNNING: Final = ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class TidiedRuns:
    """Runs of the experiment, those that bear a version (with their nested runs), and the old ones that were removed.

    MLflow marks them as deleted; `mlflow gc` frees their files.
    """

    runs: int
    kept_for_versions: int
    removed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return {**asdict(self), "removed": len(self.removed)}


def tidy_runs(client: MlflowClient, experiment_id: str, older_than: int, *, dry_run: bool) -> TidiedRuns:
    """Delete the runs that ended before ``older_than`` (epoch ms), bear no version, and belong to no run that does.

    A run and all that are nested in it, at whatever depth, go together or stay together: one that bears a version, is
    still under way or is younger keeps its whole family.
    """
    runs = {run.info.run_id: run for run in _runs(client, experiment_id)}
    family = {run_id: _root(run_id, runs) for run_id in runs}
    bearing = {family[run_id] for run_id in _bearing(client) if run_id in family}
    needed = {family[run_id] for run_id, run in runs.items() if _in_use(run, older_than)}
    removed = [run_id for run_id, root in family.items() if root not in bearing | needed]
    for run_id in [] if dry_run else removed:
        client.delete_run(run_id)
    return TidiedRuns(len(runs), sum(root in bearing for root in family.values()), tuple(removed))


def _runs(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _bearing(client: MlflowClient) -> Iterator[str]:
    """The runs behind the versions of every model of the server, ours or not."""
    token = None
    while True:
        page = client.search_model_versions(max_results=_PAGE, page_token=token)
        yield from (str(version.run_id) for version in page)
        token = page.token
        if not token:
            return


def _root(run_id: str, runs: Mapping[str, Run]) -> str:
    """The outermost run that this one is nested in, itself if in none."""
    seen = {run_id}
    while (parent := runs[run_id].data.tags.get(_PARENT)) in runs and parent not in seen:
        run_id = str(parent)
        seen.add(run_id)
    return run_id


def _in_use(run: Run, older_than: int) -> bool:
    return run.info.status in _RUNNING or (run.info.end_time or run.info.start_time) >= older_than
