"""The files of a bundle: what may lie in one, its manifest, and the checks before a byte of it is believed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from paywarden.errors import BundleError
from paywarden.scoring.boosters import BOOSTER_FILES
from paywarden.scoring.canonical import canonical_bytes, parse_canonical, require_keys, sha256_hex

MANIFEST: Final = "manifest.json"
FORMAT: Final = 2
"""Raised whenever the files of a bundle change their meaning."""
DOCUMENTS: Final = (
    "calibrator.json",
    "catalogue.json",
    "contract.json",
    "encoders.json",
    "metrics.json",
    "policy.json",
    "reasons.json",
    "training.json",
)
_ALLOWED: Final = frozenset({MANIFEST, *DOCUMENTS, *BOOSTER_FILES.values()})
_MAX_BYTES: Final = 1 << 30  # a gigabyte: a hundred times the largest model here, and still no way to fill a disk
_REGISTER_AGAIN: Final = "It is refused; train and register the model again."


def build_manifest(booster_kind: str, files: Mapping[str, bytes]) -> bytes:
    """The canonical manifest of the given files: format, booster kind, and size and SHA-256 of each file."""
    entries = {name: {"sha256": sha256_hex(content), "size": len(content)} for name, content in files.items()}
    return canonical_bytes({"booster": booster_kind, "files": entries, "format": FORMAT})


def verify_files(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest of a bundle's files, once every file is known, listed and equal in size and SHA-256.

    Raises BundleError naming the file at fault.
    """
    for name in files:
        _refuse_name(name)
    if MANIFEST not in files:
        raise BundleError(f"The model bundle has no {MANIFEST}. {_REGISTER_AGAIN}")
    manifest = parse_canonical(MANIFEST, files[MANIFEST])
    found = manifest.get("format")
    if found != FORMAT:
        remedy = "Update Paywarden." if isinstance(found, int) and found > FORMAT else _REGISTER_AGAIN
        raise BundleError(f"The model bundle has format {found!r}, this Paywarden reads {FORMAT}. {remedy}")
    require_keys(MANIFEST, manifest, {"booster", "files", "format"})
    listed = manifest["files"]
    booster_file = BOOSTER_FILES.get(str(manifest["booster"]))
    if booster_file is None or not isinstance(listed, dict) or set(listed) != {booster_file, *DOCUMENTS}:
        raise BundleError(f"{MANIFEST} of the model bundle does not list the files of a bundle. {_REGISTER_AGAIN}")
    if set(files) != {MANIFEST, *listed}:
        odd = sorted(set(files) ^ {MANIFEST, *listed})
        raise BundleError(f"The model bundle and its manifest differ in {odd}. {_REGISTER_AGAIN}")
    for name, entry in listed.items():
        if entry != {"sha256": sha256_hex(files[name]), "size": len(files[name])}:
            raise BundleError(f"{name} of the model bundle is not the file that was registered. {_REGISTER_AGAIN}")
    return manifest


def read_files(directory: Path) -> dict[str, bytes]:
    """Every file of a bundle's directory by name, unverified. Raises BundleError for what no bundle contains."""
    if not directory.is_dir():
        raise BundleError(f"There is no model bundle at {directory}. Check the path, or train first.")
    files = {}
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        _refuse_name(entry.name)
        if not entry.is_file(follow_symlinks=False):
            raise BundleError(f"{entry.name!r} in the model bundle is not a plain file. {_REGISTER_AGAIN}")
        if entry.stat(follow_symlinks=False).st_size > _MAX_BYTES:
            raise BundleError(f"{entry.name!r} in the model bundle is above {_MAX_BYTES} bytes. {_REGISTER_AGAIN}")
        files[entry.name] = Path(entry.path).read_bytes()
    return files


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """The files in a new directory that appears whole or not at all.

    Raises BundleError if something other than an empty directory is there.
    """
    if directory.is_symlink() or (directory.exists() and (not directory.is_dir() or any(directory.iterdir()))):
        raise BundleError(f"{directory} exists and is not an empty directory. Choose another, or empty it.")
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        for name, content in files.items():
            (partial / name).write_bytes(content)
        partial.chmod(0o755)  # mkdtemp gives 0700, and the bundle may be served by another user
        partial.rename(directory)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _refuse_name(name: str) -> None:
    lowered = name.lower()
    if lowered.endswith((".pkl", ".pickle", ".joblib", ".pt", ".npy")) or lowered.startswith("python_model"):
        raise BundleError(f"The model bundle holds {name!r}: pickles run code when read. {_REGISTER_AGAIN}")
    if name not in _ALLOWED:
        raise BundleError(f"The model bundle holds the unknown file {name!r}. {_REGISTER_AGAIN}")
