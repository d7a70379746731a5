"""The model registry on MLflow 3: runs, versions, aliases; bundles go in and out as verified plain files.

Guarantee: a version is created last, after its files, and gets an alias only after its bundle has been downloaded and
verified, so a run killed half-way leaves a run without a version, or a whole version without an alias. A retry makes a
new run and a new version of equal digest, or finishes what it finds under its key (`jobs/once.py`). Aliases are
promoted by one process at a time, and only over the champion that the caller has seen.
Nothing that is downloaded is ever unpickled or imported: MLflow's model flavours are not used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from paywarden.adapters.mlflow.alias_lease import alias_lease
from paywarden.adapters.mlflow.client import open_client, translated
from paywarden.adapters.mlflow.documents import add_documents, add_tags, read_document
from paywarden.adapters.mlflow.model_files import BUNDLE, MODEL, require_inert, require_known_files, require_sizes
from paywarden.adapters.mlflow.old_runs import TidiedRuns, tidy_runs
from paywarden.adapters.mlflow.orphans import close_orphans, close_tries, process_tags
from paywarden.adapters.mlflow.training_run import MlflowTrainingRun
from paywarden.adapters.mlflow.versions import DIGEST_TAG, EXISTS, RegisteredVersion, registered
from paywarden.clock import Clock, system_clock
from paywarden.errors import BundleError, ChampionMoved, RegistryError
from paywarden.scoring.bundle import ModelBundle
from paywarden.training.trainer import TrainingResult

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"
_ABSENT: Final = "RESOURCE_DOES_NOT_EXIST"


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

    @contextmanager
    def training_run(self, tries: Mapping[str, str] | None = None) -> Iterator[MlflowTrainingRun]:
        """A run that ends FINISHED, or FAILED where the block raises. Runs of killed processes are marked first.

        `tries` are tags that all tries of one training bear; former ones that have not ended are marked, too.
        """
        with translated(self._uri, f"beginning a run of {self._experiment!r}"):
            experiment = self._experiment_id()
            close_orphans(self._client, experiment, self._clock())
            close_tries(self._client, experiment, tries or {})
            run_id = self._client.create_run(experiment, tags={**(tries or {}), **process_tags()}).info.run_id
        with self._ended(run_id):
            yield MlflowTrainingRun(self._client, self._uri, experiment, run_id, self._model, self._clock)

    @contextmanager
    def finishing(self, version: int) -> Iterator[None]:
        """The version's run, which a killed process left behind, goes on in this process; it ends as any run does."""
        run_id = self.find(version).run_id
        with translated(self._uri, f"going on with run {run_id}"):
            for name, value in process_tags().items():
                self._client.set_tag(run_id, name, value)
            self._client.update_run(run_id, status="RUNNING")
        with self._ended(run_id):
            yield

    def is_finished(self, version: int) -> bool:
        """Whether the run that made the version went to its end."""
        run_id = self.find(version).run_id
        with translated(self._uri, f"looking up run {run_id}"):
            return bool(self._client.get_run(run_id).info.status == "FINISHED")

    @contextmanager
    def _ended(self, run_id: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with suppress(Exception):
                self._client.set_terminated(run_id, "FAILED")
            raise
        with translated(self._uri, f"ending run {run_id}"):
            self._client.set_terminated(run_id, "FINISHED")

    def log_and_register(
        self,
        result: TrainingResult,
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        plots: Sequence[Path] = (),
    ) -> RegisteredVersion:
        """A run of its own for a training result, and its new version, without any alias."""
        with self.training_run() as run:
            return run.register(result, params=params, tags=tags, plots=plots)

    def promote(self, version: int, *, over: int | None) -> None:
        """The champion is this version and `previous` the one it follows, which must be version `over` (None: none).

        The bundle is downloaded and verified first. Raises ChampionMoved, changing nothing, where another version
        serves by now, BundleError where the version does not hold the bundle it names.
        """
        self.get(version)
        with translated(self._uri, f"promoting version {version} of {self._model!r}"), self._lease() as still_held:
            serving = self._aliased(CHAMPION)
            if serving != over:
                raise ChampionMoved(
                    f"The champion of {self._model!r} is version {serving}, no longer {over}: another training was "
                    "quicker. Judge against it."
                )
            if serving is not None and serving != version:
                still_held()
                self._client.set_registered_model_alias(self._model, PREVIOUS, str(serving))
            still_held()
            self._client.set_registered_model_alias(self._model, CHAMPION, str(version))
            if self._aliased(CHALLENGER) == version:
                self._client.delete_registered_model_alias(self._model, CHALLENGER)

    def rollback(self) -> tuple[int, int]:
        """The version that is champion again, and the one that was until now and is `previous` henceforth.

        Raises RegistryError where there is no champion or none before it, BundleError where that one is damaged.
        """
        with translated(self._uri, f"rolling {self._model!r} back"):
            former, serving = self._aliased(PREVIOUS), self._aliased(CHAMPION)
        if former is None or serving is None or former == serving:
            raise RegistryError(
                f"There is nothing to roll back to: the champion of {self._model!r} is version {serving}, the previous "
                f"one {former}. Promote a version with `paywarden models promote`."
            )
        self.promote(former, over=serving)
        return former, serving

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

    def describe(
        self,
        number: int,
        *,
        documents: Mapping[str, str | Mapping[str, Any]],
        tags: Mapping[str, str],
        description: str | None = None,
    ) -> None:
        """Add documents (file name → text, or a JSON document) to the run, then tags, and words to the version."""
        run_id = self.find(number).run_id
        with translated(self._uri, f"describing version {number} of {self._model!r}"):
            add_documents(self._client, run_id, documents)
            add_tags(self._client, run_id, self._model, number, tags)
            if description is not None:
                self._client.update_model_version(self._model, str(number), description)

    def document(self, version: int, name: str) -> str:
        """The text of a document that was added to the version's run. Raises RegistryError where there is none."""
        run_id = self.find(version).run_id
        with translated(self._uri, f"reading {name} of version {version} of {self._model!r}"):
            return read_document(self._client, run_id, name)

    def first_tagged(self, name: str, value: str) -> RegisteredVersion | None:
        """The first version that bears the tag; None where none does."""
        with translated(self._uri, f"looking up the versions of {self._model!r} with {name} {value!r}"):
            found = _all_versions(self._client, self._model, f" AND tags.`{name}` = '{value}'")
            numbers = sorted(int(version.version) for version in found)
        return self.find(numbers[0]) if numbers else None

    def delete(self, version: int) -> None:
        """The version is no more; its run stays. Raises RegistryError where an alias points at it."""
        if self.find(version).aliases:
            raise RegistryError(
                f"Version {version} of {self._model!r} has an alias; take that away before deleting it."
            )
        with translated(self._uri, f"deleting version {version} of {self._model!r}"):
            self._client.delete_model_version(self._model, str(version))

    def find(self, reference: str | int) -> RegisteredVersion:
        """The version of that number, or under that alias. Raises RegistryError if there is none."""
        with translated(self._uri, f"looking up {self._model!r} at {reference!r}"):
            return registered(self._version(reference))

    def champion(self, alias: str = CHAMPION) -> tuple[int, str]:
        """Number and bundle digest of the version under the alias: one small request, meant for every micro-batch.

        Raises RegistryError if there is none, BundleError if the version was not registered by Paywarden.
        """
        found = self.find(alias)
        return found.version, found.bundle_digest

    def challenger(self) -> tuple[int, str] | None:
        """Number and bundle digest of the challenger; None where no version has the alias."""
        with translated(self._uri, f"looking up the challenger of {self._model!r}"):
            version = self._aliased(CHALLENGER)
        if version is None:
            return None
        found = self.find(version)
        return found.version, found.bundle_digest

    def find_champion(self) -> RegisteredVersion | None:
        """The champion; None where there is none yet."""
        with translated(self._uri, f"looking up the champion of {self._model!r}"):
            version = self._aliased(CHAMPION)
        return None if version is None else self.find(version)

    def get(self, reference: str | int) -> ModelBundle:
        """The bundle of a version number or alias, every file verified and the whole equal to the version's digest.

        Raises RegistryError if there is none, BundleError if what is stored is not what was registered: it is looked
        through before it is downloaded, and nothing of it is ever executed.
        """
        found = self.find(reference)
        with tempfile.TemporaryDirectory(prefix="paywarden-bundle-") as directory:
            with translated(self._uri, f"downloading version {found.version} of {self._model!r}"):
                sizes, folders = self._listed(found.run_id, MODEL)
                require_known_files(sizes, folders)
                path = self._client.download_artifacts(found.run_id, f"{MODEL}/MLmodel", directory)
                require_inert(Path(path).read_bytes(), found.bundle_digest)
                require_sizes(self._listed(found.run_id, f"{MODEL}/{BUNDLE}")[0])
                local = Path(self._client.download_artifacts(found.run_id, f"{MODEL}/{BUNDLE}", directory))
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
            whole = [self._version(int(version.version)) for version in found if DIGEST_TAG in version.tags]
        return sorted(map(registered, whole), key=lambda version: -version.version)

    def tidy_runs(self, older_than: int, *, dry_run: bool = False) -> TidiedRuns:
        """Delete the experiment's runs that ended before ``older_than`` (epoch ms) and no version needs."""
        with translated(self._uri, f"tidying the runs of {self._experiment!r}"):
            found = self._client.get_experiment_by_name(self._experiment)
            if found is None:
                return TidiedRuns(0, 0, ())
            return tidy_runs(self._client, str(found.experiment_id), older_than, dry_run=dry_run)

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
            if error.error_code != EXISTS or found is None:
                raise
            return str(found.experiment_id)

    def _lease(self) -> Any:  # noqa: ANN401 -- a context manager
        return alias_lease(self._client, self._model, self._clock)

    def _aliased(self, alias: str) -> int | None:
        """The version under the alias; None without one, or without the model."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 -- takes seconds to import

        try:
            version = self._client.get_registered_model(self._model).aliases.get(alias)
        except MlflowException as error:
            if error.error_code == _ABSENT:
                return None
            raise
        return None if version is None else int(version)

    def _listed(self, run_id: str, folder: str) -> tuple[dict[str, int | None], set[str]]:
        """Files with their sizes, and folders, right below a folder of a run's artifacts."""
        found = self._client.list_artifacts(run_id, folder)
        sizes = {Path(file.path).name: file.file_size for file in found if not file.is_dir}
        return sizes, {Path(file.path).name for file in found if file.is_dir}


def _all_versions(client: MlflowClient, model: str, more: str = "") -> Iterator[ModelVersion]:
    token = None
    while True:
        page = client.search_model_versions(f"name = '{model}'{more}", page_token=token)
        yield from page
        token = page.token
        if not token:
            return
