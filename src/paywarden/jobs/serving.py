"""Which model serves: the champion, verified, kept until a better one is fit too."""

from __future__ import annotations

import json
import shutil
import threading
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
from paywarden.scoring.proof import prove
from paywarden.scoring.scorer import Scorer


class Registry(Protocol):
    """The model registry, as far as serving needs it."""

    def champion(self) -> tuple[int, str]:
        """Version and bundle digest of the champion: a cheap look."""

    def challenger(self) -> tuple[int, str] | None:
        """Version and bundle digest of the challenger, None where there is none: as cheap."""

    def get(self, reference: str | int) -> ModelBundle:
        """The verified bundle of a version."""


_KNOWN = 4
"""Models kept in memory: the champion, the one that goes on while a state is built, and some to go back to."""
_LOOKS_BEFORE_RETRY = 30
"""An unfit model is not downloaded again at every look, which is one a second."""
_LAST_GOOD = "champion.json"
"""Names, beside the bundles, the champion that was fit to serve last."""


@dataclass(frozen=True)
class ServedModel:
    """A registered version, its bundle, and the engine of the catalogue that it carries."""

    version: str
    bundle: ModelBundle
    engine: Engine


def proved(served: ServedModel) -> None:
    """Nothing, where the model scores and explains in this process. Raises BundleError where it does not."""
    prove(Scorer(served.bundle))


class ServingModels:
    """The champion, the challenger beside it, and any model that a manifest names, for data of ``schema``.

    Bundles are kept by digest under ``cache``, so that a retry or a restart finds its model even when the registry is
    away. ``prepare`` makes a new champion or challenger ready before it is given, and raises BundleError where it
    cannot serve. Without ``shadow`` no challenger is looked for. Several threads may ask.
    """

    def __init__(
        self,
        registry: Registry,
        schema: EventSchema,
        cache: Path,
        warn: Callable[[str], None],
        prepare: Callable[[ServedModel], None] = proved,
        *,
        shadow: bool = False,
    ) -> None:
        self._registry = registry
        self._schema = schema
        self._cache = cache
        self._warn = warn
        self.prepare = prepare
        self._shadow = shadow
        self._served: ServedModel | None = None
        self._beside: ServedModel | None = None
        self._said: dict[str, str] = {}
        self._known: dict[str, ServedModel] = {}
        self._prepared: set[str] = set()
        self._unfit: dict[tuple[str, str], tuple[BundleError, int]] = {}
        self._lock = threading.RLock()

    def champion(self) -> ServedModel:
        """The registry's champion; the last one where the new one is unfit or the registry is away.

        After a start the last one is that of the cache. Raises RegistryError, BundleError or ContractMismatch while
        there is none to go on with.
        """
        try:
            version, digest = self._registry.champion()
            served = self._ready(str(version), digest)
            if served != self._served:
                self._remember(served)
            self._served = served
            self._said.pop("champion", None)
        except (RegistryError, BundleError) as error:
            if self._served is None:
                self._served = self._last_good(error)
            self._warn_once("champion", f"still serving version {self._served.version}: {error}")
        return self._served

    def challenger(self) -> ServedModel | None:
        """The registry's challenger, ready; None where there is none, or it is the champion, or unfit (said once).

        While the registry is away, the last one goes on beside the last champion.
        """
        if not self._shadow:
            return None
        try:
            found = self._registry.challenger()
            if found is None or (self._served and found[1] == self._served.bundle.digest):
                self._beside = None
            else:
                self._beside = self._ready(str(found[0]), found[1])
            self._said.pop("challenger", None)
        except BundleError as error:
            self._beside = None
            self._warn_once("challenger", f"the challenger is not scored: {error}")
        except RegistryError:
            pass  # the look at the champion has said so
        return self._beside

    def exact(self, version: str, digest: str) -> ServedModel:
        """The bundle with this digest. Raises BundleError where the registry's version has another one."""
        with self._lock:
            if digest not in self._known:
                bundle = self._kept(version, digest) or self._fetched(version, digest)
                engine = fit_engine(bundle, self._schema)
                if not (self._cache / digest).exists():
                    bundle.save(self._cache / digest)
                if len(self._known) == _KNOWN:
                    self._known.pop(next(iter(self._known)))
                self._known[digest] = ServedModel(version, bundle, engine)
            return replace(self._known[digest], version=version)

    def _ready(self, version: str, digest: str) -> ServedModel:
        """The model, prepared. One that was unfit is tried again after some looks: its files may have been restored."""
        error, looks = self._unfit.get((version, digest), (None, 0))
        if error and looks < _LOOKS_BEFORE_RETRY:
            self._unfit[version, digest] = (error, looks + 1)
            raise error
        try:
            served = self.exact(version, digest)
            if digest not in self._prepared:
                self.prepare(served)
                self._prepared.add(digest)
        except BundleError as error:
            self._unfit = {(version, digest): (error, 0), **dict(list(self._unfit.items())[:_KNOWN])}
            raise
        self._unfit.pop((version, digest), None)
        return served

    def _kept(self, version: str, digest: str) -> ModelBundle | None:
        """The bundle of the cache; a damaged copy is removed, so that it is fetched again."""
        kept = self._cache / digest
        if not kept.exists():
            return None
        try:
            bundle = ModelBundle.load(kept)
            if bundle.digest == digest:
                return bundle
            damage = f"it is the bundle {bundle.digest[:12]}"
        except BundleError as error:
            damage = str(error)
        self._warn(f"the copy of version {version} in {kept} is damaged and fetched again: {damage}")
        shutil.rmtree(kept)
        return None

    def _fetched(self, version: str, digest: str) -> ModelBundle:
        bundle = self._registry.get(version)
        if bundle.digest != digest:
            raise BundleError(
                f"version {version} has digest {bundle.digest[:12]}, expected {digest[:12]}; register the model again"
            )
        return bundle

    def _remember(self, served: ServedModel) -> None:
        """Name the champion beside the bundles, for a start without a registry."""
        draft = self._cache / f"{_LAST_GOOD}.draft"
        draft.write_text(json.dumps({"version": served.version, "digest": served.bundle.digest}))
        draft.replace(self._cache / _LAST_GOOD)

    def _last_good(self, error: RegistryError | BundleError) -> ServedModel:
        """The champion that served here last, from the cache; raises ``error`` where there is none."""
        try:
            named = json.loads((self._cache / _LAST_GOOD).read_text())
            version, digest = str(named["version"]), str(named["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            raise error from None
        if not (self._cache / digest).exists():
            raise error
        try:
            return self._ready(version, digest)
        except (RegistryError, BundleError):
            raise error from None

    def _warn_once(self, about: str, text: str) -> None:
        if self._said.get(about) != text:
            self._warn(text)
        self._said[about] = text


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
