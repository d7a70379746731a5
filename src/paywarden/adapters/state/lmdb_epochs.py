"""The states of a deployment on one machine, side by side: one LMDB store for each layout, in a directory of its name.

On disk: ``<root>/<layout digest>/`` (see ``lmdb_store``), and in it ``catalogue.json``: the definition it was made for.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from paywarden.adapters.state.lmdb_store import DEFAULT_MAP_SIZE, OpenLmdb
from paywarden.errors import StateStoreError
from paywarden.features.state import OpenStore

_LAYOUT = re.compile(r"[0-9a-z]+")
_CATALOGUE = "catalogue.json"


@dataclass(frozen=True)
class LmdbEpochs:
    """The stores under ``root``, each of ``shards`` shards. Looking makes nothing."""

    root: Path
    shards: int
    map_size: int = DEFAULT_MAP_SIZE

    def recipe(self, layout: str) -> OpenStore:
        """What opens the state of a layout, and makes it if absent."""
        return OpenLmdb(str(self._directory(layout)), self.shards, map_size=self.map_size)

    def find(self, layout: str) -> OpenStore | None:
        """What opens the state of a layout for reading, or None where there is none."""
        found = (self._directory(layout) / "meta" / "data.mdb").exists()
        return OpenLmdb(str(self._directory(layout)), self.shards, read_only=True) if found else None

    def layouts(self) -> list[str]:
        """The layouts that have a state."""
        names = (path.name for path in self.root.glob("*") if _LAYOUT.fullmatch(path.name))
        return sorted(name for name in names if self.find(name))

    def note(self, layout: str, definition: str) -> None:
        """Keep the definition of the catalogue that the state is made for."""
        draft = self._directory(layout) / f"{_CATALOGUE}.draft"
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(definition)
        draft.replace(draft.with_name(_CATALOGUE))

    def noted(self, layout: str) -> str | None:
        """What :meth:`note` kept last."""
        path = self._directory(layout) / _CATALOGUE
        return path.read_text() if path.exists() else None

    def remove(self, layout: str) -> None:
        """Remove a state; hold its lease, and have it closed here."""
        try:
            shutil.rmtree(self._directory(layout))
        except OSError as error:
            raise StateStoreError(
                f"{self._directory(layout)} cannot be removed: {error}. Remove it by hand."
            ) from error

    def _directory(self, layout: str) -> Path:
        if not _LAYOUT.fullmatch(layout):
            raise StateStoreError(f"{layout!r} is no digest of a state layout. `paywarden state show` lists them.")
        return self.root / layout
