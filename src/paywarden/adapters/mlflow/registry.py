"""The model registry on MLflow 3: runs, versions, aliases; bundles go in and out as verified plain files.

Guarantee: a version is created last, after its files, and gets an alias only after its bundle has been downloaded and
verified, so a run killed half-way leaves at most a run without a version. A retry makes a new run and a new version of
equal digest. Nothing that is downloaded is ever unpickled or imported: MLflow's model flavours are not used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from paywarden.adapters.mlflow.client import open_client, translated
from paywarden.adapters.mlflow.run_records import as_metrics, as_parameters
from paywarden.clock import Clock, system_clock
from paywarden.errors import BundleError
from paywarden.scoring.bundle import ModelBundle
from paywarden.training.trainer import TrainingResult

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_Item = TypeVar("_Item")
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
_BUNDLE: Final = "bundle"
_PLOTS: Final = "report"
_DIGEST_TAG: Final = "paywarden.bundle_digest"
_LAYOUT_TAG: Final = "paywarden.state_layout_digest"
_EXISTS: Final = "RESOURCE_ALREADY_EXISTS"
_PARAMETERS_A_CALL: Final = 100  # MLflow's limits for one log_batch
_METRICS_A_CALL: Final = 1000


@dataclass(frozen=True)
class RegisteredVersion:
    """A version in the registry: its number, its bundle's digest, its run, its aliases, its creation (epoch ms).

    ``state_layout_digest`` names the state that it needs, as `paywarden state show` lists them.
    """

    version: int
    bundle_digest: str
    state_layout_digest: str
    run_id: str
    aliases: tuple[str, ...]
    created_at: int
    tags: Mapping[str, str]


class MlflowRegistry:
    """The versions of one model in an MLflow server.

    `tracking_uri` is the server's address ("http://127.0.0.1:5000"; a "sqlite:///…" file works without a server).
    Every method raises RegistryError where the server refuses or does not answer. Nothing is contacted before the first
    call.
    """

    def __init__(self, tracking_uri: str, experiment: str, model_name: str, clock: Clock = system_clock) -> None:
        self._uri = tracking_uri
        self._experiment = experiment
        self._model = model_name
        self._clock = clock

    def log_and_register(
        self,
        result: TrainingResult,
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        plots: Sequence[Path] = (),
    ) -> RegisteredVersion:
        """The new version of a training result, without any alias.

        The run holds the bundle's files, its settings and data versions (and `params`) as parameters, its figures of
        every window and the curve over rounds as metrics, the `plots` (any files) under "report", and `tags`.
        """
        with translated(self._uri, f"registering a version of {self._model!r}"):
            run_id = self._client.create_run(self._experiment_id(), tags=_run_tags(result.bundle, tags)).info.run_id
            try:
                self._log(run_id, result, params or {}, plots)
                self._client.set_terminated(run_id, "FINISHED")
                version = self._create_version(run_id, result.bundle, tags)
            except BaseException:
                with suppress(Exception):
                    self._client.set_terminated(run_id, "FAILED")
                raise
        return version

    def set_alias(self, alias: str, version: int) -> None:
        """The alias on this version and on no other, after its bundle has been downloaded and verified.

        Raises BundleError, leaving the alias where it was, if the version does not hold the bundle it names.
        """
        self.get(version)
        with translated(self._uri, f"setting the alias {alias!r} on version {version} of {self._model!r}"):
            self._client.set_registered_model_alias(self._model, alias, str(version))

    def drop_alias(self, alias: str) -> None:
        """No version carries the alias any more; nothing where none did."""
        with translated(self._uri, f"dropping the alias {alias!r} of {self._model!r}"):
            self._client.delete_registered_model_alias(self._model, alias)

    def find(self, reference: str | int) -> RegisteredVersion:
        """The version of that number, or under that alias. Raises RegistryError if there is none."""
        with translated(self._uri, f"looking up {self._model!r} at {reference!r}"):
            return _registered(self._version(reference))

    def champion(self, alias: str = CHAMPION) -> tuple[int, str]:
        """Number and bundle digest of the version under the alias: one small request, meant for every micro-batch.

        Raises RegistryError if there is none, BundleError if the version was not registered by Paywarden.
        """
        found = self.find(alias)
        return found.version, found.bundle_digest

    def get(self, reference: str | int) -> ModelBundle:
        """The bundle of a version number or alias, every file verified and the whole equal to the version's digest.

        Raises RegistryError if there is none, BundleError if what is stored is not what was registered.
        """
        found = self.find(reference)
        with tempfile.TemporaryDirectory(prefix="paywarden-bundle-") as directory:
            with translated(self._uri, f"downloading version {found.version} of {self._model!r}"):
                local = Path(self._client.download_artifacts(found.run_id, _BUNDLE, directory))
            bundle = ModelBundle.load(local)
        if bundle.digest != found.bundle_digest:
            raise BundleError(
                f"Version {found.version} of {self._model!r} names the bundle {found.bundle_digest[:12]}, its files "
                f"are {bundle.digest[:12]}. It is refused; train and register again."
            )
        return bundle

    def list_versions(self) -> list[RegisteredVersion]:
        """Every version that Paywarden registered, newest first; none where the model is unknown."""
        with translated(self._uri, f"listing the versions of {self._model!r}"):
            found = _all_versions(self._client, self._model)
            # A search leaves aliases out, a look-up has them.
            whole = [self._version(int(version.version)) for version in found if _DIGEST_TAG in version.tags]
        return sorted(map(_registered, whole), key=lambda version: -version.version)

    @cached_property
    def _client(self) -> MlflowClient:
        return open_client(self._uri)

    def _version(self, reference: str | int) -> ModelVersion:
        if isinstance(reference, int) or reference.isdigit():
            return self._client.get_model_version(self._model, str(reference))
        return self._client.get_model_version_by_alias(self._model, reference)

    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 -- takes seconds to import

        try:
            return str(self._client.create_experiment(self._experiment))
        except MlflowException as error:
            found = self._client.get_experiment_by_name(self._experiment)
            if error.error_code != _EXISTS or found is None:
                raise
            return str(found.experiment_id)

    def _log(self, run_id: str, result: TrainingResult, params: Mapping[str, Any], plots: Sequence[Path]) -> None:
        from mlflow.entities import Metric, Param  # noqa: PLC0415 -- takes seconds to import

        bundle, now = result.bundle, self._clock()
        parameters = as_parameters({**bundle.training, "data": bundle.data_versions, **params})
        for some in _parts([Param(*item) for item in parameters.items()], _PARAMETERS_A_CALL):
            self._client.log_batch(run_id, params=some)
        metrics = [Metric(name, value, now, 0) for name, value in as_metrics(bundle.metrics).items()]
        curve = enumerate(result.validation_average_precision)
        metrics += [Metric("rounds.validation_average_precision", value, now, step) for step, value in curve]
        for part in _parts(metrics, _METRICS_A_CALL):
            self._client.log_batch(run_id, metrics=part)
        for plot in plots:
            self._client.log_artifact(run_id, str(plot), _PLOTS)
        with tempfile.TemporaryDirectory(prefix="paywarden-bundle-") as directory:
            bundle.save(Path(directory) / _BUNDLE)
            self._client.log_artifacts(run_id, str(Path(directory) / _BUNDLE), _BUNDLE)

    def _create_version(self, run_id: str, bundle: ModelBundle, tags: Mapping[str, str] | None) -> RegisteredVersion:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 -- as above

        try:
            self._client.create_registered_model(self._model)
        except MlflowException as error:
            if error.error_code != _EXISTS:
                raise
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{_BUNDLE}"
        version_tags = _run_tags(bundle, tags)
        return _registered(self._client.create_model_version(self._model, source, run_id, tags=version_tags))


def _run_tags(bundle: ModelBundle, tags: Mapping[str, str] | None) -> dict[str, str]:
    own = {
        _DIGEST_TAG: bundle.digest,
        "paywarden.contract_digest": bundle.contract_digest,
        "paywarden.policy_digest": bundle.policy.digest,
        _LAYOUT_TAG: bundle.state_layout_digest,
    }
    return {**(tags or {}), **own}


def _registered(version: ModelVersion) -> RegisteredVersion:
    tags = dict(version.tags)
    if _DIGEST_TAG not in tags:
        raise BundleError(
            f"Version {version.version} of {version.name!r} was not registered by Paywarden: no tag {_DIGEST_TAG}. "
            "Put the alias on a version that `paywarden train` registered."
        )
    return RegisteredVersion(
        version=int(version.version),
        bundle_digest=tags[_DIGEST_TAG],
        state_layout_digest=tags.get(_LAYOUT_TAG, ""),
        run_id=str(version.run_id),
        aliases=tuple(sorted(version.aliases)),
        created_at=int(version.creation_timestamp),
        tags=tags,
    )


def _all_versions(client: MlflowClient, model: str) -> Iterator[ModelVersion]:
    token = None
    while True:
        page = client.search_model_versions(f"name = '{model}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _parts(items: list[_Item], size: int) -> Iterator[list[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
