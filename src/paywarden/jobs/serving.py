"""Which model serves: the champion, verified, kept until a better one is fit too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from paywarden.errors import BundleError, ContractMismatch, RegistryError
from paywarden.events.schema import EventSchema
from paywarden.features.catalogue import Catalogue
from paywarden.features.catalogue_file import lacking
from paywarden.features.engine import Engine
from paywarden.scoring.bundle import ModelBundle


class Registry(Protocol):
    """The model registry, as far as serving needs it."""

    def champion(self) -> tuple[int, str]:
        """Version and bundle digest of the champion: a cheap look."""

    def get(self, reference: str | int) -> ModelBundle:
        """The verified bundle of a version."""


_KNOWN = 4
"""Models kept in memory: the champion, the one that goes on while a state is built, and some to go back to."""


@dataclass(frozen=True)
class ServedModel:
    """A registered version, its bundle, and the engine of the catalogue that it carries."""

    version: str
    bundle: ModelBundle
    engine: Engine


class ServingModels:
    """The champion between micro-batches, and any model that a manifest names, for data of ``schema``.

    Bundles are kept by digest under ``cache``, so that a retry finds its model even when the registry is away.
    """

    def __init__(self, registry: Registry, schema: EventSchema, cache: Path, warn: Callable[[str], None]) -> None:
        self._registry = registry
        self._schema = schema
        self._cache = cache
        self._warn = warn
        self._served: ServedModel | None = None
        self._refused: str | None = None
        self._known: dict[str, ServedModel] = {}

    def champion(self) -> ServedModel:
        """The registry's champion; the last one where the new one is unfit or the registry is away.

        Raises RegistryError, BundleError or ContractMismatch while there is none to go on with.
        """
        try:
            version, digest = self._registry.champion()
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
        if digest in self._known:
            return replace(self._known[digest], version=version)
        kept = self._cache / digest
        bundle = ModelBundle.load(kept) if kept.exists() else self._registry.get(version)
        if bundle.digest != digest:
            raise BundleError(
                f"version {version} has digest {bundle.digest[:12]}, expected {digest[:12]}; register the model again"
            )
        engine = fit_engine(bundle, self._schema)
        if not kept.exists():
            bundle.save(kept)
        if len(self._known) == _KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[digest] = ServedModel(version, bundle, engine)
        return self._known[digest]


def fit_engine(bundle: ModelBundle, schema: EventSchema) -> Engine:
    """The engine that computes the bundle's features.

    Raises ContractMismatch where the data lack what it reads, or where this version of Paywarden computes its features
    or lays out its state in another way.
    """
    if bundle.catalogue is None:
        raise ContractMismatch("the model bundle carries no catalogue of features; train and register it again")
    missing = lacking(bundle.catalogue, schema)
    if missing:
        raise ContractMismatch(
            f"the model reads {', '.join(missing)}, which the data here do not have; declare it in the section events "
            "of the settings, or train a model on these data"
        )
    engine = engine_of(bundle.catalogue)
    bundle.require_contract(bundle.catalogue.contract(bundle.feature_names).digest, engine.digest)
    return engine


@lru_cache(maxsize=8)
def engine_of(catalogue: Catalogue) -> Engine:
    """The engine of a catalogue, made once."""
    return Engine(catalogue)
