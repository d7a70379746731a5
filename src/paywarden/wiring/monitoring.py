"""What came in and what serves, held against what was trained."""

from __future__ import annotations

from collections.abc import Callable

from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.errors import DataError, RegistryError
from paywarden.features.manifest import BatchManifest
from paywarden.features.windows import DAY_MS
from paywarden.jobs.check_data import DataCheck
from paywarden.jobs.check_data import check_data as data_checked
from paywarden.jobs.model_reference import NAME as REFERENCE
from paywarden.jobs.model_reference import read_reference, replayed_reference
from paywarden.jobs.monitor import HISTORY_DAYS, Monitored, MonitorSettings, Watched, parity_of
from paywarden.jobs.monitor import monitor as monitor_served
from paywarden.jobs.observed import Topics, observe
from paywarden.jobs.parity import Parity
from paywarden.monitoring.arrivals import ArrivalSettings
from paywarden.monitoring.drift import DriftSettings
from paywarden.monitoring.performance import DecaySettings
from paywarden.monitoring.reference import Reference
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.scorer import Scorer
from paywarden.settings import Settings
from paywarden.wiring.declarations import days_ms, event_schema
from paywarden.wiring.storage import lake
from paywarden.wiring.training import cost_matrix, registry, replayer, training_history


def check_data(settings: Settings, *, days: float | None = None, as_of: int | None = None) -> DataCheck:
    """What came into the lake since the last training, held against what came before."""
    models, checks, topics = registry(settings), settings.checks, settings.kafka.topics
    versions, champion = models.list_versions(), models.find_champion()
    return data_checked(
        lake(settings),
        topics.transactions,
        topics.labels,
        models.get(versions[0].version).training if versions else None,
        models.get(champion.version).training if champion else None,
        ArrivalSettings(**checks.model_dump(), drift=drift_settings(settings)),
        label_delay_ms=days_ms(settings.training.label_delay_days),
        days=days,
        as_of=as_of,
    )


def monitor(
    settings: Settings, *, as_of: int | None = None, parity: bool | None = None, say: Callable[[str], None]
) -> Monitored | None:
    """What serves held against what was trained and promised; None on a platform that has not trained anything yet.

    ``parity`` says whether the history is replayed, by default the settings' ``monitoring.parity``. Raises
    RegistryError where there are versions and none is champion.
    """
    models, topics, wanted = registry(settings), settings.kafka.topics, settings.monitoring
    champion = models.find_champion()
    if champion is None:
        if not models.list_versions():
            return None
        raise RegistryError("No version is champion: promote one (`paywarden models promote`), or train another.")
    bundle, stored = models.get(champion.version), lake(settings)
    observed = observe(
        stored,
        Topics(topics.transactions, topics.labels, topics.predictions),
        event_schema(settings),
        max(HISTORY_DAYS, wanted.matured_days) + bundle.training.get("split", {}).get("label_delay_ms", 0) / DAY_MS,
        as_of,
    )
    watched = Watched(champion.version, bundle, _reference(settings, models, champion.version, bundle, say))

    def held() -> Parity | None:
        if not stored.exists(topics.manifests):
            return None
        history = training_history(settings)
        values = stored.read(topics.manifests)["value"].to_pylist()
        found = [BatchManifest.from_json(value) for value in values]
        return parity_of(observed, history.transactions, history.labels, found, _scorer_by_digest(models))

    replays = wanted.parity if parity is None else parity
    return monitor_served(observed, watched, monitor_settings(settings), held if replays else lambda: None)


def _reference(
    settings: Settings, models: MlflowRegistry, version: int, bundle: ModelBundle, say: Callable[[str], None]
) -> Reference:
    """The reference that was kept with a version; from a replay where there is none, as of an older Paywarden."""
    try:
        return read_reference(models.document(version, f"report/{REFERENCE}"))
    except (RegistryError, DataError) as error:
        say(f"version {version} has no reference ({error}); its training window is replayed")
    with replayer(settings, say) as how:
        return replayed_reference(training_history(settings), bundle, how)


def _scorer_by_digest(models: MlflowRegistry) -> Callable[[str], Scorer]:
    """A function that gives the model of a bundle's digest, from the registry."""
    numbers = {version.bundle_digest: version.version for version in models.list_versions()}
    known: dict[str, Scorer] = {}

    def scorer(digest: str) -> Scorer:
        if digest not in numbers:
            raise RegistryError(f"No version has the bundle {digest[:12]}, which served; it was deleted.")
        if digest not in known:
            known[digest] = Scorer(models.get(numbers[digest]))
        return known[digest]

    return scorer


def monitor_settings(settings: Settings) -> MonitorSettings:
    """When monitoring speaks up here."""
    wanted = settings.monitoring
    decay = DecaySettings(
        wanted.decay, wanted.level, wanted.calibration_factor, cost_matrix(settings), settings.training.cards_a_day
    )
    return MonitorSettings(wanted.matured_days, drift_settings(settings), decay)


def drift_settings(settings: Settings) -> DriftSettings:
    """When a feature has drifted here."""
    return DriftSettings(settings.monitoring.drift_factor, settings.monitoring.drift_floor)
