"""Batch manifests as files: one directory an epoch, one file a batch, synced to disk before the batch begins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from paywarden.errors import DataError
from paywarden.features.manifest import BatchManifest
from paywarden.features.state import BatchTag


@dataclass(frozen=True)
class ManifestFiles:
    """Manifests under a directory that every driver of the stream can reach.

    Guarantee: :meth:`write` returns once the file is on disk; it appears whole or not at all.
    """

    root: Path

    def read(self, tag: BatchTag) -> BatchManifest | None:
        """The manifest of a batch, or None. Raises DataError where it cannot be read."""
        path = self._path(tag)
        try:
            return BatchManifest.from_json(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"the batch manifest {path} cannot be read ({error}); restore it from the lake") from error

    def write(self, manifest: BatchManifest) -> None:
        """Store a manifest durably."""
        path = self._path(manifest.tag)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        with draft.open("w") as file:
            file.write(manifest.to_json())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def of_epoch(self, stream_epoch: int) -> list[BatchManifest]:
        """All manifests of an epoch, by batch."""
        found = [self.read(BatchTag(stream_epoch, int(p.stem))) for p in self._directory(stream_epoch).glob("*.json")]
        return sorted((manifest for manifest in found if manifest), key=lambda manifest: manifest.batch)

    def latest_epoch(self) -> int:
        """The newest stream epoch that has a manifest; 0 where none has."""
        return max((int(path.parent.name.split("-")[1]) for path in self.root.glob("epoch-*/*.json")), default=0)

    def _directory(self, stream_epoch: int) -> Path:
        return self.root / f"epoch-{stream_epoch:06d}"

    def _path(self, tag: BatchTag) -> Path:
        return self._directory(tag.stream_epoch) / f"{tag.batch:012d}.json"
