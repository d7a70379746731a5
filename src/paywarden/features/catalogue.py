"""The catalogue: which features there are, and the rules of memory they share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from paywarden.errors import ContractMismatch
from paywarden.features.calendar import Calendar
from paywarden.features.events import Inputs
from paywarden.features.feature import Feature
from paywarden.features.fields import CODES, NAMES
from paywarden.features.needs import anomaly_reads, reads, rings
from paywarden.features.request import CORE_REQUEST, TIMELY, RequestFeature, code_source, request_feature
from paywarden.features.windows import DAY_MS, Window


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

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or value <= 0:
                raise ValueError(f"memory: {name} is {value!r}; give a whole number above 0")


@dataclass(frozen=True)
class FeatureContract:
    """A model's ordered features. ``digest`` names their meaning: equal digests, equal vectors."""

    names: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Step:
    """What is folded where a transaction's rows are together by ``entity``; None where they are by transaction id."""

    entity: str | None
    records: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """Features by record, in the order of a vector.

    ``entities`` are those of the events that have records, ``entities[0]`` the routing entity; ``pairs`` have records
    of their own, one for every two that met, kept where the pair's first entity is. ``request`` names the request
    features, which come last.
    """

    entities: tuple[str, ...]
    features: tuple[Feature, ...]
    memory: Memory = Memory()
    pairs: tuple[tuple[str, str], ...] = ()
    request: tuple[str, ...] = CORE_REQUEST
    calendar: Calendar = Calendar()  # noqa: RUF009 (it is frozen)

    def __post_init__(self) -> None:
        for name in self.request:
            request_feature(name)
        repeated = {name for name in self.names if self.names.count(name) > 1}
        if repeated:
            raise ValueError(f"features declared twice: {', '.join(sorted(repeated))}")
        lost = [f"{first} and {second}" for first, second in self.pairs if not {first, second} <= {*self.entities}]
        if lost:
            raise ValueError(f"pairs of entities that are not declared: {', '.join(lost)}")
        known = {*self.entities, *NAMES, None}
        strange = [
            f.name
            for f in self.features
            if f.entity not in self.records or not (f.field in known or str(f.field).startswith("extra_"))
        ]
        if strange:
            raise ValueError(f"features of entities or fields that are not declared: {', '.join(strange)}")
        # In the order of a vector, so that a catalogue equals the one that is read back.
        object.__setattr__(self, "features", tuple(f for record in self.records for f in self.of(record)))
        for entity in {f.entity for f in self.features if f.field == "newcomer"}:
            self.newcomer(entity)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The entities in order, each with the records that are folded at it; at least one step."""
        found = tuple(Step(e, (e, *(f"{a}_{b}" for a, b in self.pairs if a == e))) for e in self.entities)
        return found or (Step(None, ()),)

    @cached_property
    def records(self) -> tuple[str, ...]:
        """Every kind of record, in the order of folding."""
        return tuple(record for step in self.steps for record in step.records)

    @cached_property
    def tokens_of(self) -> dict[str, tuple[str, ...]]:
        """The entities whose tokens name a record: one, or the two of a pair."""
        return {entity: (entity,) for entity in self.entities} | {f"{a}_{b}": (a, b) for a, b in self.pairs}

    @cached_property
    def request_features(self) -> tuple[RequestFeature, ...]:
        """The request features, in vector order."""
        return tuple(request_feature(name) for name in self.request)

    @cached_property
    def inputs(self) -> Inputs:
        """What the engine reads of an event besides its times, amount and identity."""
        fields = {str(feature.field) for feature in self.features}
        texts = {source for name in self.request if (source := code_source(name))}
        extras = {name for name in fields if name.startswith("extra_")}
        numbers = {name for name in self.request if name.startswith("extra_") and not code_source(name)}
        located = any(feature.aggregation == "speed_kmh" for feature in self.features)
        return Inputs(
            self.entities,
            codes=tuple(sorted(texts | (fields & set(CODES)))),
            numbers=tuple(sorted(extras | numbers)) + (("latitude", "longitude") if located else ()),
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All features, record by record, then the request features."""
        ordered = (feature.name for record in self.records for feature in self.of(record))
        return (*ordered, *self.request)

    def of(self, record: str) -> tuple[Feature, ...]:
        """The features of one record, in vector order."""
        return tuple(feature for feature in self.features if feature.entity == record)

    def newcomer(self, entity: str) -> int:
        """Where in a vector it stands whether a pair's first entity is new to ``entity``.

        Raises ValueError where no pair with the entity has a ``first_time`` feature that is known before its step.
        """
        first = self.entities[0]
        for feature in self.of(f"{first}_{entity}") if (first, entity) in self.pairs and first != entity else ():
            if feature.aggregation == "first_time":
                return self.names.index(feature.name)
        raise ValueError(f"newcomers of {entity} need the pair ({first}, {entity}) with a first_time feature")

    @cached_property
    def meanings(self) -> dict[str, str]:
        """Every feature's meaning in words, by name."""
        meanings = {feature.name: feature.meaning for feature in self.features}
        return meanings | {feature.name: feature.meaning for feature in self.request_features}

    def contract(self, names: Iterable[str] | None = None) -> FeatureContract:
        """The contract of these features (all by default). Raises ContractMismatch for one that is not here."""
        chosen = tuple(self.names if names is None else names)
        self.columns(chosen)
        definitions = [[name, self._definitions[name]] for name in chosen]
        return FeatureContract(chosen, hashlib.sha256(canonical(definitions)).hexdigest())

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def columns(self, names: Sequence[str]) -> list[int]:
        """Where these features stand in a full vector. Raises ContractMismatch for one that is not here."""
        places = self._places
        missing = [name for name in names if name not in places]
        if missing:
            raise ContractMismatch(
                f"the catalogue for {', '.join(self.entities) or 'no entity'} does not give {', '.join(missing)}; "
                "use the catalogue that the model was trained with, or train a new one"
            )
        return [places[name] for name in names]

    def to_dict(self) -> dict[str, Any]:
        """The whole definition as plain JSON values; equal catalogues give equal ones."""
        return {
            "entities": list(self.entities),
            "pairs": [list(pair) for pair in self.pairs],
            "features": [_feature_to_dict(feature) for feature in self.features],
            "request": list(self.request),
            "calendar": asdict(self.calendar),
            "memory": asdict(self.memory),
        }

    @classmethod
    def from_dict(cls, definition: Mapping[str, Any]) -> Catalogue:
        """The catalogue that :meth:`to_dict` wrote.

        Anything else raises KeyError, TypeError or ValueError, or
        ConfigurationError for a calendar that is not known.
        """
        return cls(
            entities=tuple(_names(definition["entities"])),
            features=tuple(_feature_from_dict(fields) for fields in definition["features"]),
            memory=Memory(**definition["memory"]),
            pairs=tuple((str(first), str(second)) for first, second in definition["pairs"]),
            request=tuple(_names(definition["request"])),
            calendar=Calendar(**definition["calendar"]),
        )

    @cached_property
    def _definitions(self) -> dict[str, object]:
        """What decides each feature's value, by name."""
        zone, holidays = self.calendar.timezone, self.calendar.holidays
        found: dict[str, object] = {
            name: ["request", zone if name in TIMELY else None, holidays if name == "is_holiday" else None]
            for name in self.request
        }
        for record in self.records:
            # A late event may read tiles that a longer ring still has and a shorter one has not.
            lengths = {ring: max(tiles) for ring, tiles in rings(self.of(record)).items()}
            for feature in self.of(record):
                told = anomaly_reads() if feature.field == "anomaly" else []
                held = [[*ring, window.tiles, lengths[ring]] for ring, window in reads(feature) + told]
                local = zone if feature.field == "hour" else None
                meant = [_feature_to_dict(feature), feature.computation.version]
                found[feature.name] = [*meant, held, local, self.memory.record_ttl_ms]
                if feature.field == "newcomer":
                    found[feature.name] = [found[feature.name], found[self.names[self.newcomer(record)]]]
        return found


def canonical(value: object) -> bytes:
    """JSON of plain values, always the same for the same ones."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _names(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"{value!r} is no list of names")
    return value


def _feature_to_dict(feature: Feature) -> dict[str, Any]:
    windows = {"window": feature.window, "baseline": feature.baseline}
    return {
        "entity": feature.entity,
        "aggregation": feature.aggregation,
        "field": feature.field,
        **{name: asdict(window) if window else None for name, window in windows.items()},
    }


def _feature_from_dict(fields: Mapping[str, Any]) -> Feature:
    window, baseline = (Window(**fields[name]) if fields[name] else None for name in ("window", "baseline"))
    return Feature(fields["entity"], fields["aggregation"], fields["field"], window, baseline)
