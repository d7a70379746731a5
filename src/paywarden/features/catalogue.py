"""The catalogue: which features there are, and the rules of memory they share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from paywarden.errors import ContractMismatch
from paywarden.features.feature import Feature
from paywarden.features.request import REQUEST_FEATURES
from paywarden.features.windows import DAY, DAY_MS, HOUR, MONTH, VELOCITY_WINDOWS, WEEK, Window


@dataclass(frozen=True)
class Memory:
    """How long things are remembered.

    A record idle for ``record_ttl_ms`` of event time reads as empty. The last ``ids`` transaction ids of a routing
    key are remembered for ``ids_ttl_ms`` of arrival time to recognise duplicates, and the last ``labelled_ids``
    for ``labelled_ttl_ms`` to apply a transaction's first fraud label only.
    """

    record_ttl_ms: int = 90 * DAY_MS
    ids: int = 16
    ids_ttl_ms: int = 7 * DAY_MS
    labelled_ids: int = 8
    labelled_ttl_ms: int = 120 * DAY_MS


@dataclass(frozen=True)
class FeatureContract:
    """A model's ordered features. ``digest`` names their meaning: equal digests, equal vectors."""

    names: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Catalogue:
    """Features by entity, in the order of a vector; ``entities[0]`` is the routing entity."""

    entities: tuple[str, ...]
    features: tuple[Feature, ...]
    memory: Memory = Memory()

    def __post_init__(self) -> None:
        repeated = {name for name in self.names if self.names.count(name) > 1}
        if repeated:
            raise ValueError(f"features declared twice: {', '.join(sorted(repeated))}")
        known = {*self.entities, "amount", None}
        strange = [f.name for f in self.features if f.entity not in self.entities or f.field not in known]
        if strange:
            raise ValueError(f"features of entities that are not declared: {', '.join(strange)}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All features, entity by entity, then the request features."""
        ordered = (feature.name for entity in self.entities for feature in self.of(entity))
        return (*ordered, *(feature.name for feature in REQUEST_FEATURES))

    def of(self, entity: str) -> tuple[Feature, ...]:
        """The features of one entity, in vector order."""
        return tuple(feature for feature in self.features if feature.entity == entity)

    @cached_property
    def meanings(self) -> dict[str, str]:
        """Every feature's meaning in words, by name."""
        meanings = {feature.name: feature.meaning for feature in self.features}
        return meanings | {feature.name: feature.meaning for feature in REQUEST_FEATURES}

    def contract(self, names: Iterable[str] | None = None) -> FeatureContract:
        """The contract of these features (all by default). Raises ContractMismatch for one that is not here."""
        chosen = tuple(self.names if names is None else names)
        self.columns(chosen)
        definitions = [[name, self._definition(name)] for name in chosen]
        text = json.dumps(definitions, sort_keys=True, separators=(",", ":"))
        return FeatureContract(chosen, hashlib.sha256(text.encode()).hexdigest())

    def columns(self, names: Sequence[str]) -> list[int]:
        """Where these features stand in a full vector. Raises ContractMismatch for one that is not here."""
        places = {name: place for place, name in enumerate(self.names)}
        missing = [name for name in names if name not in places]
        if missing:
            raise ContractMismatch(
                f"the catalogue for {', '.join(self.entities)} does not give {', '.join(missing)}; "
                "use the catalogue that the model was trained with, or train a new one"
            )
        return [places[name] for name in names]

    def _definition(self, name: str) -> object:
        for feature in self.features:
            if feature.name == name:
                window = feature.window
                tiles = [window.duration_ms, window.tile_ms] if window else []
                return [feature.entity, feature.aggregation, feature.field, tiles, self.memory.record_ttl_ms]
        return "request"


def core_catalogue(entities: tuple[str, ...] = ("card", "merchant")) -> Catalogue:
    """The core features of card and merchant; any other declared entity gets the merchant's."""
    features: list[Feature] = []
    for entity in entities:
        features += _velocity(entity)
        features += _against_history(entity)
        features += _fraud_rates(entity, (WEEK, MONTH) if entity == "card" else (DAY, WEEK, MONTH))
        if entity != "card" and "card" in entities:
            features += [Feature(entity, "distinct", "card", window) for window in (HOUR, DAY, WEEK)]
    return Catalogue(entities, tuple(features))


def _velocity(entity: str) -> list[Feature]:
    """Count, sum, mean and maximum over every window, and the time since the last."""
    velocity = [Feature(entity, "count", None, window) for window in VELOCITY_WINDOWS]
    for aggregation in ("sum", "mean", "max"):
        velocity += [Feature(entity, aggregation, "amount", window) for window in VELOCITY_WINDOWS]
    return [*velocity, Feature(entity, "seconds_since_last")]


def _against_history(entity: str) -> list[Feature]:
    return [Feature(entity, aggregation, "amount", MONTH) for aggregation in ("ratio_to_mean", "zscore")]


def _fraud_rates(entity: str, windows: tuple[Window, ...]) -> list[Feature]:
    return [Feature(entity, "fraud_rate", None, window) for window in windows]
