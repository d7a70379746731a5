"""Which model serves: the champion, verified and fit for this catalogue, kept until a better one is fit too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from paywarden.errors import BundleError, RegistryError
from paywarden.features.engine import Engine
from paywarden.scoring.bundle import ModelBundle


class Registry(Protocol):
    """The model registry, as far as serving needs it."""

    def champion(self) -> tuple[int, str]:
        """Version and bundle digest of the champion: a cheap look."""

    def get(self, reference: str | int) -> ModelBundle:
        """The verified bundle of a version."""


@dataclass(frozen=True)
class ServedModel:
    """A registered version and its bundle."""

    version: str
    bundle: ModelBundle


class ServingModels:
    """The champion between micro-batches, and any model that a manifest names.

    Bundles are kept by digest under ``cache``, so that a retry finds its model even when the registry is away.
    """

    def __init__(self, registry: Registry, engine: Engine, cache: Path, warn: Callable[[str], None]) -> None:
        self._registry = registry
        self._engine = engine
        self._cache = cache
        self._warn = warn
        self._served: ServedModel | None = None
        self._refused: str | None = None

    def champion(self) -> ServedModel:
        """The registry's champion; the one already served where the new one is unfit or the registry is away.

        Raises RegistryError, BundleError or ContractMismatch while there is none to go on with.
        """
        try:
            version, digest = self._registry.champion()
            if self._served is None or self._served.bundle.digest != digest:
                self._served = self.exact(str(version), digest)
            self._refused = None
        except (RegistryError, BundleError) as error:
            if self._served is None:
                raise
            if str(error) != self._refused:
                self._warn(f"still serving version {self._served.version}: {error}")
            self._refused = str(error)
        return self._served

    def exact(self, version: str, digest: str) -> ServedModel:
        """The bundle with this digest. Raises BundleError where the registry's version has another one."""
        if self._served is not None and self._served.bundle.digest == digest:
            return self._served
        kept = self._cache / digest
        bundle = ModelBundle.load(kept) if kept.exists() else self._registry.get(version)
        if bundle.digest != digest:
            raise BundleError(
                f"version {version} has digest {bundle.digest[:12]}, expected {digest[:12]}; register the model again"
            )
        contract = self._engine.catalogue.contract(bundle.feature_names)
        bundle.require_contract(contract.digest, self._engine.digest)
        if not kept.exists():
            bundle.save(kept)
        return ServedModel(version, bundle)
