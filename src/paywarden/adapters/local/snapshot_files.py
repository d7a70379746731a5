"""Snapshots of replays as files: numpy arrays and Arrow keys in a directory each, and one file that says which counts.

Guarantee: :meth:`SnapshotFiles.load` gives a snapshot exactly as it was saved, or raises; a save that is killed at any
point leaves the one before. Files hold no pickled objects, so that reading one runs nothing. Runs at the same time take
turns, by a lock on the directory.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.adapters.local.durable import replace_durably, sync_names, synced
from paywarden.errors import DataError
from paywarden.features.replay import EntityStates
from paywarden.features.snapshot import Snapshot

_FORMAT = 1
_CURRENT = "current.json"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class SnapshotFiles:
    """The last snapshot under a directory of its own."""

    root: Path

    def load(self) -> Snapshot | None:
        """The last one saved; None before the first. Raises DataError for one that is damaged or of another format."""
        with self._locked(fcntl.LOCK_SH):
            try:
                current = json.loads((self.root / _CURRENT).read_text())
                return _read(self.root / str(current["directory"]), current)
            except FileNotFoundError as error:
                if Path(str(error.filename)).name == _CURRENT:
                    return None
                raise self._damaged(error) from error
            except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
                raise self._damaged(error) from error

    def save(self, snapshot: Snapshot) -> None:
        """Keep it instead of the last one. Raises DataError where the directory cannot be written."""
        try:
            with self._locked(fcntl.LOCK_EX):
                before = [path for path in self.root.iterdir() if path.is_dir()]
                directory = self.root / f"{snapshot.content[:16]}-{snapshot.recipe[:16]}"
                while directory in before:
                    directory = directory.with_name(f"{directory.name}+")
                directory.mkdir()
                replace_durably(self.root / _CURRENT, json.dumps(_write(directory, snapshot)))
                for path in before:  # what was current, and what a killed run left
                    shutil.rmtree(path)
        except OSError as error:
            raise DataError(f"the snapshot in {self.root} cannot be written: {error}; free space or move it") from error

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as lock:
            fcntl.flock(lock, how)
            yield

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"the snapshot in {self.root} is damaged or of another version ({error}), so everything is replayed"
        )


def _write(directory: Path, snapshot: Snapshot) -> dict[str, Any]:
    """Write the arrays; what the file that counts says about them."""
    arrays: dict[str, NDArray[Any]] = {"features": snapshot.features, "verdicts": snapshot.verdicts}
    for number, held in enumerate(snapshot.states.values()):
        arrays[f"states-{number}"] = held.states
        with synced(directory / f"keys-{number}.arrow") as file:
            table = pa.table({"key": held.keys})
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
    for name, array in arrays.items():
        with synced(directory / f"{name}.npy") as file:
            np.save(file, array, allow_pickle=False)
    sync_names(directory)
    return {
        "format": _FORMAT,
        "directory": directory.name,
        "recipe": snapshot.recipe,
        "until": snapshot.until,
        "content": snapshot.content,
        "records": list(snapshot.states),
        "files": {path.name: _sha256(path) for path in sorted(directory.iterdir())},
    }


def _read(directory: Path, current: dict[str, Any]) -> Snapshot:
    if current["format"] != _FORMAT:
        raise ValueError(f"format {current['format']}")
    for name, digest in current["files"].items():
        if _sha256(directory / name) != digest:
            raise ValueError(f"{name} has other content")

    def array(name: str) -> NDArray[Any]:
        if f"{name}.npy" not in current["files"]:
            raise ValueError(f"{name}.npy is not listed")
        return np.load(directory / f"{name}.npy", allow_pickle=False)

    def keys(number: int) -> pa.Array:
        if f"keys-{number}.arrow" not in current["files"]:
            raise ValueError(f"keys-{number}.arrow is not listed")
        with (directory / f"keys-{number}.arrow").open("rb") as file:
            return pa.ipc.open_file(file).read_all()["key"].combine_chunks()

    return Snapshot(
        recipe=current["recipe"],
        until=int(current["until"]),
        content=current["content"],
        features=array("features"),
        verdicts=array("verdicts"),
        states={
            record: EntityStates(keys(number), array(f"states-{number}"))
            for number, record in enumerate(current["records"])
        },
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
