"""Batch manifests as files: one directory an epoch, one file a batch, synced to disk before the batch begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paywarden.adapters.local.durable import create_durably, replace_durably, sync_names
from paywarden.errors import DataError, StreamError
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

    def written_at(self, tag: BatchTag) -> int | None:
        """When the manifest of a batch was written, just before the batch began (epoch ms); None where it is not here.

        By the clock of whoever holds the files.
        """
        try:
            return self._path(tag).stat().st_mtime_ns // 1_000_000
        except OSError:
            return None

    def write(self, manifest: BatchManifest) -> None:
        """Store a manifest durably. Raises StreamError where the disk refuses it: its batch must not begin then."""
        path = self._path(manifest.tag)
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_durably(path, manifest.to_json())

    def create(self, manifest: BatchManifest) -> bool:
        """Store a manifest durably unless its batch has one; whether it was stored. Of two at once one stores."""
        path = self._path(manifest.tag)
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            return create_durably(path, manifest.to_json())

    def of_epoch(self, stream_epoch: int) -> list[BatchManifest]:
        """All manifests of an epoch, by batch."""
        found = [self.read(BatchTag(stream_epoch, int(p.stem))) for p in self._directory(stream_epoch).glob("*.json")]
        return sorted((manifest for manifest in found if manifest), key=lambda manifest: manifest.batch)

    def all(self) -> list[BatchManifest]:
        """Every manifest, by epoch and batch."""
        return [manifest for epoch in self.epochs() for manifest in self.of_epoch(epoch)]

    def epochs(self) -> list[int]:
        """Every epoch that was ever begun, oldest first."""
        return sorted(int(path.name.split("-")[1]) for path in self.root.glob("epoch-*"))

    def new_epoch(self, above: int = 0) -> int:
        """An epoch that nobody else was given or will be, greater than all others and than ``above``."""
        self.root.mkdir(parents=True, exist_ok=True)
        epoch = max([above, *self.epochs()])
        while True:
            epoch += 1
            try:
                self._directory(epoch).mkdir()
            except FileExistsError:
                continue
            sync_names(self.root)
            return epoch

    def _directory(self, stream_epoch: int) -> Path:
        return self.root / f"epoch-{stream_epoch:06d}"

    def _path(self, tag: BatchTag) -> Path:
        return self._directory(tag.stream_epoch) / f"{tag.batch:012d}.json"


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the disk refuses becomes an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise StreamError(
            f"the batch manifest {path} cannot be written ({error.strerror or error}); free some space or correct its "
            "rights, then start the stream again: the batch has not begun, nothing is lost"
        ) from error
