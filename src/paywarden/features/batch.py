"""What runs one micro-batch, as the job that plans it and the adapter that folds it both see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from paywarden.features.catalogue import Catalogue
from paywarden.features.manifest import BatchManifest, BatchOutcome
from paywarden.features.state import Lease, OpenStore


class Execute(Protocol):
    """Runs a batch as its manifest says."""

    def __call__(
        self,
        manifest: BatchManifest,
        files: Mapping[str, bytes],
        catalogue: Catalogue,
        open_store: OpenStore,
        lease: Lease,
        rules: bytes | None = None,
        shadow: Mapping[str, bytes] | None = None,
    ) -> BatchOutcome:
        """Fold it into the state of the recipe, decide it by the bundle of these files, and by the shadow's too.

        ``rules`` are the bytes of the lists and rules in force, None without any.
        """
