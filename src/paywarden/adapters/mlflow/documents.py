"""What is said of a version after it was registered: documents of its run, and tags of both."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LONGEST_TAG: Final = 5000


def add_documents(client: MlflowClient, run_id: str, documents: Mapping[str, str | Mapping[str, Any]]) -> None:
    """Documents (file name → text, or a JSON document) are files of the run, instead of those of the same name."""
    for name, content in documents.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=1, sort_keys=True)
        client.log_text(run_id, text, name)


def add_tags(client: MlflowClient, run_id: str, model: str, version: int, tags: Mapping[str, str]) -> None:
    """Version and run bear the tags, one after another, each cut to the length that MLflow takes."""
    for name, value in tags.items():
        client.set_model_version_tag(model, str(version), name, value[:_LONGEST_TAG])
        client.set_tag(run_id, name, value[:_LONGEST_TAG])


def read_document(client: MlflowClient, run_id: str, name: str) -> str:
    """The text of a document of the run."""
    with tempfile.TemporaryDirectory(prefix="paywarden-document-") as directory:
        return Path(client.download_artifacts(run_id, name, directory)).read_text(encoding="utf-8")
