"""A version's files in MLflow: the bundle beside an MLmodel that MLflow's UI reads and no loader can load.

The MLmodel names one flavour, "paywarden", which says where the bundle lies and what its digest is; there is neither a
python_function flavour nor a loader_module, so nothing in MLflow unpickles or imports anything for it. What is
downloaded is first listed and held against these names and sizes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from paywarden.errors import BundleError
from paywarden.scoring.bundle import ModelBundle

MODEL: Final = "model"
BUNDLE: Final = "bundle"
_MLMODEL: Final = "MLmodel"
_EXAMPLE: Final = "input_example.json"
_FLAVOUR: Final = "paywarden"
_LARGEST_DOCUMENT: Final = 8 << 20  # eight megabytes: a signature of ten thousand features takes one
_LARGEST_FILE: Final = 1 << 30
_REGISTER_AGAIN: Final = "It is refused; train and register the model again."


def write_model(directory: Path, bundle: ModelBundle, run_id: str, example: NDArray[np.float32] | None) -> None:
    """The bundle, its MLmodel with a signature, and the vectors of `example` (float32 [n, F]) as an input example."""
    directory.mkdir(parents=True)
    bundle.save(directory / BUNDLE)
    names = list(bundle.feature_names)
    inputs = [{"type": "float", "name": name, "required": False} for name in names]
    outputs = [{"type": "double", "name": name, "required": True} for name in ("raw", "score")]
    outputs.append({"type": "string", "name": "decision", "required": True})
    document: dict[str, Any] = {
        "artifact_path": MODEL,
        "flavors": {_FLAVOUR: {"bundle": BUNDLE, "bundle_digest": bundle.digest, "booster": bundle.booster_kind}},
        "run_id": run_id,
        "signature": {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None},
    }
    if example is not None and len(example):
        rows = [[None if np.isnan(value) else float(value) for value in row] for row in example]
        (directory / _EXAMPLE).write_text(json.dumps({"columns": names, "data": rows}))
        document["saved_input_example_info"] = {
            "artifact_path": _EXAMPLE,
            "pandas_orient": "split",
            "type": "dataframe",
        }
    (directory / _MLMODEL).write_text(yaml.safe_dump(document, sort_keys=True))


def require_known_files(sizes: Mapping[str, int | None], folders: set[str]) -> None:
    """Nothing, where a version's files (name → bytes) and folders are those of :func:`write_model`.

    Raises BundleError before anything has been downloaded. The bundle's own files are verified by the bundle.
    """
    strays = sorted({*sizes} - {_MLMODEL, _EXAMPLE} | folders - {BUNDLE})
    if strays or _MLMODEL not in sizes or BUNDLE not in folders:
        raise BundleError(
            f"The version holds {sorted([*sizes, *folders])} where {_MLMODEL} and {BUNDLE} belong: other files may run "
            f"code when a model is loaded. {_REGISTER_AGAIN}"
        )
    require_sizes({name: sizes[name] for name in sizes}, _LARGEST_DOCUMENT)


def require_sizes(sizes: Mapping[str, int | None], largest: int = _LARGEST_FILE) -> None:
    """Nothing, where no file is larger; BundleError naming the first that is, or whose size is unknown."""
    for name, size in sizes.items():
        if size is None or size > largest:
            raise BundleError(f"{name!r} of the version has {size} bytes, {largest} are allowed. {_REGISTER_AGAIN}")


def require_inert(mlmodel: bytes, digest: str) -> None:
    """Nothing, where the MLmodel names this bundle and nothing that MLflow could load. Raises BundleError."""
    try:
        document = yaml.safe_load(mlmodel)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(f"The version's {_MLMODEL} cannot be read. {_REGISTER_AGAIN}") from error
    flavours = document.get("flavors") if isinstance(document, dict) else None
    if not isinstance(flavours, dict) or set(flavours) != {_FLAVOUR} or "loader_module" in str(document):
        raise BundleError(
            f"The version's {_MLMODEL} has flavours {sorted(flavours or [])}: all but {_FLAVOUR!r} run code when a "
            f"model is loaded. {_REGISTER_AGAIN}"
        )
    if not isinstance(flavours[_FLAVOUR], dict) or flavours[_FLAVOUR].get("bundle_digest") != digest:
        raise BundleError(f"The version's {_MLMODEL} names another bundle than the registry. {_REGISTER_AGAIN}")
