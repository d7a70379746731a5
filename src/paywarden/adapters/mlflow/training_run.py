"""One training as an MLflow run: its trials as nested runs, then the version, then what the gate said of it."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from paywarden.adapters.mlflow.client import translated
from paywarden.adapters.mlflow.model_files import MODEL, write_model
from paywarden.adapters.mlflow.orphans import process_tags
from paywarden.adapters.mlflow.run_records import as_metrics, as_parameters
from paywarden.adapters.mlflow.versions import EXISTS, RegisteredVersion, registered, version_tags
from paywarden.clock import Clock
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.canonical import sha256_hex
from paywarden.training.trainer import TrainingResult
from paywarden.training.tuning import TrialRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

_Item = TypeVar("_Item")
_PLOTS: Final = "report"
_PARAMETERS_A_CALL: Final = 100  # MLflow's limits for one log_batch
_METRICS_A_CALL: Final = 1000
_LONGEST_DIGEST: Final = 36
_LIBRARIES: Final = ("numpy", "pyarrow", "numba", "scikit-learn", "xgboost", "lightgbm", "catboost", "optuna",
                     "imbalanced-learn", "mlflow", "paywarden")  # fmt: skip


class MlflowTrainingRun:
    """A run under way; `MlflowRegistry.training_run` opens and ends it. Every method raises RegistryError."""

    def __init__(
        self, client: MlflowClient, uri: str, experiment_id: str, run_id: str, model: str, clock: Clock
    ) -> None:
        self._client = client
        self._uri = uri
        self._experiment_id = experiment_id
        self.run_id = run_id
        self._model = model
        self._clock = clock

    def log_trial(self, trial: TrialRecord) -> None:
        """A trial of tuning, as a run nested in this one."""
        from mlflow.entities import Metric, Param  # noqa: PLC0415 -- takes seconds to import

        tags = {"mlflow.parentRunId": self.run_id, "mlflow.runName": f"trial {trial.number}", **process_tags()}
        tags["paywarden.trial"] = trial.state
        with translated(self._uri, f"logging trial {trial.number}"):
            run_id = self._client.create_run(self._experiment_id, tags=tags).info.run_id
            now = self._clock()
            metrics = [Metric("rounds", float(trial.rounds), now, 0)]
            if trial.value is not None:
                metrics.append(Metric("average_precision", trial.value, now, 0))
            params = [Param(*item) for item in as_parameters(trial.params).items()]
            self._client.log_batch(run_id, metrics=metrics, params=params)
            self._client.set_terminated(run_id, "FINISHED")

    def register(
        self,
        result: TrainingResult,
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        plots: Sequence[Path] = (),
        example: NDArray[np.float32] | None = None,
    ) -> RegisteredVersion:
        """The new version of a training result, without any alias; created once all its files are there.

        The run holds the bundle's files with signature and input example, its settings and data versions (and `params`)
        as parameters, its figures of every window and the curve over rounds as metrics, the data sets it used, the
        versions of libraries, the `plots` (any files) under "report", and `tags`.
        """
        with translated(self._uri, f"registering a version of {self._model!r}"):
            for name, value in version_tags(result.bundle, tags).items():
                self._client.set_tag(self.run_id, name, value)
            self._log_figures(result, params or {})
            self._log_lineage(result.bundle)
            self._client.log_dict(self.run_id, _environment(), "environment.json")
            for plot in plots:
                self._client.log_artifact(self.run_id, str(plot), _PLOTS)
            with tempfile.TemporaryDirectory(prefix="paywarden-model-") as directory:
                write_model(Path(directory) / MODEL, result.bundle, self.run_id, example)
                self._client.log_artifacts(self.run_id, str(Path(directory) / MODEL), MODEL)
            return self._create_version(result.bundle, tags)

    def _log_figures(self, result: TrainingResult, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Metric, Param  # noqa: PLC0415 -- as above

        bundle, now = result.bundle, self._clock()
        parameters = as_parameters({**bundle.training, "data": bundle.data_versions, **params})
        for some in _parts([Param(*item) for item in parameters.items()], _PARAMETERS_A_CALL):
            self._client.log_batch(self.run_id, params=some)
        metrics = [Metric(name, value, now, 0) for name, value in as_metrics(bundle.metrics).items()]
        curve = enumerate(result.validation_average_precision)
        metrics += [Metric("rounds.validation_average_precision", value, now, step) for step, value in curve]
        for part in _parts(metrics, _METRICS_A_CALL):
            self._client.log_batch(self.run_id, metrics=part)

    def _log_lineage(self, bundle: ModelBundle) -> None:
        """The data set of each window: what tables at what versions and offsets, and how many rows of it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415 -- as above

        rows = bundle.training.get("rows", {})
        source = json.dumps(dict(bundle.data_versions), sort_keys=True)
        digest = sha256_hex(source.encode())[:_LONGEST_DIGEST]
        inputs = [
            DatasetInput(
                Dataset(f"lake.{window}", digest, "delta", source, profile=json.dumps({"num_rows": count})),
                [InputTag("mlflow.data.context", window)],
            )
            for window, count in rows.items()
        ]
        if inputs:
            self._client.log_inputs(self.run_id, inputs)

    def _create_version(self, bundle: ModelBundle, tags: Mapping[str, str] | None) -> RegisteredVersion:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 -- as above

        try:
            self._client.create_registered_model(self._model)
        except MlflowException as error:
            if error.error_code != EXISTS:
                raise
        source = f"{self._client.get_run(self.run_id).info.artifact_uri}/{MODEL}"
        named = version_tags(bundle, tags)
        return registered(self._client.create_model_version(self._model, source, self.run_id, tags=named))


def _environment() -> dict[str, str]:
    installed = {found.metadata["Name"].lower(): found.version for found in distributions()}
    libraries: dict[str, str] = {str(name): installed[name] for name in _LIBRARIES if name in installed}
    return {"python": platform.python_version(), "platform": platform.platform(), **libraries}


def _parts(items: list[_Item], size: int) -> Iterator[list[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
