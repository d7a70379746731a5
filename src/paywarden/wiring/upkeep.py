"""Lake, runs and states rid of what is out of use."""

from __future__ import annotations

from paywarden.adapters.lake.upkeep import TendedTable, tend
from paywarden.adapters.mlflow.old_runs import TidiedRuns
from paywarden.clock import system_clock
from paywarden.jobs.state_sweep import SweptState, sweep_states
from paywarden.settings import Settings
from paywarden.wiring.declarations import days_ms
from paywarden.wiring.online_states import state_epochs
from paywarden.wiring.storage import archive_columns, lake
from paywarden.wiring.training import registry


def maintain_lake(settings: Settings, *, dry_run: bool = False) -> list[TendedTable]:
    """Every table compacted, and rid of what has long been out of use.

    Versions that the models under an alias were trained on stay readable.
    """
    stored, models = lake(settings), registry(settings)
    used = [models.get(model.version).data_versions for model in models.list_versions() if model.aliases]
    return [
        tend(
            stored,
            topic,
            settings.maintenance.lake_days,
            [int(versions[topic]) for versions in used if topic in versions],
            dry_run=dry_run,
        )
        for topic in archive_columns(settings)
        if stored.exists(topic)
    ]


def maintain_runs(settings: Settings, *, dry_run: bool = False) -> TidiedRuns:
    """The experiment rid of old runs that no version needs."""
    return registry(settings).tidy_runs(system_clock() - days_ms(settings.maintenance.run_days), dry_run=dry_run)


def maintain_state(settings: Settings, *, dry_run: bool = False) -> list[SweptState]:
    """Every online state rid of records past their time to live."""
    return sweep_states(state_epochs(settings), dry_run=dry_run)
