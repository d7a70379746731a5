"""MLflow's client, made quiet and quick to fail, with its exceptions translated at the edge."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from paywarden.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENVIRONMENT: Final = MappingProxyType(
    {
        # MLflow's own defaults are 120 s and 7 retries: a dead server would hold a run for a quarter of an hour.
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
        # Files come through the server: a server that passes S3's files on names an S3 that only it may know.
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
)


def open_client(tracking_uri: str) -> MlflowClient:
    """A client of the server at `tracking_uri` that says nothing and gives up on a dead server within some 16 s.

    Variables of MLflow's that the operator has set stay as they are.
    """
    _prepare()
    from mlflow import MlflowClient  # noqa: PLC0415 -- takes seconds to import

    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


@contextmanager
def translated(tracking_uri: str, doing: str) -> Iterator[None]:
    """Run the block; what MLflow, its HTTP client or a disk raises becomes a RegistryError that says what to do."""
    _prepare()
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 -- as above

    try:
        yield
    except (MlflowException, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "does not exist" in reason or "not found" in reason.lower():
            remedy = "Train and register a model first, or correct the model's name, alias or version."
        else:
            remedy = "Check that the MLflow server runs, and the tracking URI (`paywarden check`)."
        raise RegistryError(f"MLflow at {tracking_uri} failed while {doing}: {reason[:300]}. {remedy}") from error


def _prepare() -> None:
    """Set MLflow's variables before it is first imported, and keep its warnings and progress to itself."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own imports, which no operator can act on
        import mlflow  # noqa: F401, PLC0415 -- as above
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
