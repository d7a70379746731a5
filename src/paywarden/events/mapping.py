"""How the columns of a CSV or Parquet file become transactions and labels, as a YAML file says.

``src/paywarden/events/mappings/handbook.yaml`` is a complete example. Wherever a column stands, its bare name may be
written, or ``{column: NAME}``; where a field has one value for the whole file, ``{value: V}``.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import yaml

from paywarden.errors import ConfigurationError, MappingError
from paywarden.events.schema import LABEL_SOURCES, EventSchema
from paywarden.events.value_readers import AMOUNT_UNITS, TIME_FORMATS
from paywarden.events.yaml_section import Section, did_you_mean

OPTIONAL_TEXTS = ("transaction_type", "auth_result", "category", "channel", "country")
OPTIONAL_NUMBERS = ("latitude", "longitude")
_KEYS = (
    "description",
    "entities",
    "transaction_id",
    "occurred_at",
    "received_delay",
    "amount",
    "currency",
    *OPTIONAL_TEXTS,
    *OPTIONAL_NUMBERS,
    "extra_numbers",
    "extra_categories",
    "label",
)


@dataclass(frozen=True)
class Source:
    """Where a field comes from: a column of the file, or one value for all its rows. Exactly one of them is set."""

    column: str | None = None
    value: str | float | None = None


@dataclass(frozen=True)
class EntitySource:
    """The column of an entity's ids; with ``tokenise`` they are replaced by keyed hashes when read."""

    column: str
    tokenise: bool = False


@dataclass(frozen=True)
class TimeSource:
    """The column of a time, its format (a key of ``TIME_FORMATS``) and the zone of times that carry none."""

    column: str
    format: str = "datetime"
    timezone: str = "UTC"


@dataclass(frozen=True)
class AmountSource:
    """The column of the amount; ``unit`` is ``major`` (12.50 euro) or ``minor`` (1250 cents)."""

    column: str
    unit: str


@dataclass(frozen=True)
class LabelSource:
    """How a column says which transactions are frauds, and when that became known.

    A label is given ``delay_ms`` after its transaction. Frauds get one, and with ``legitimate`` the others too. A value
    listed in neither ``fraud_values`` nor ``legitimate_values`` is refused; null means not labelled.
    """

    column: str
    source: str
    delay_ms: int
    fraud_values: tuple[str, ...] = ("1", "true")
    legitimate_values: tuple[str, ...] = ("0", "false")
    legitimate: bool = False
    pattern_column: str | None = None
    pattern_names: MappingOf[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mapping:
    """A mapping file, checked. ``schema`` holds the entities and extras that it declares; the first entity routes.

    ``fields`` are the currency and the optional fields, ``extras`` the columns of the declared extras.
    ``received_delay_ms`` after it occurred, a transaction is taken to have been received.
    """

    name: str
    schema: EventSchema
    entities: MappingOf[str, EntitySource]
    transaction_id: str
    occurred_at: TimeSource
    amount: AmountSource
    fields: MappingOf[str, Source]
    extras: MappingOf[str, Source]
    label: LabelSource | None = None
    received_delay_ms: int = 0

    @staticmethod
    def packaged() -> tuple[str, ...]:
        """Names of the mappings that come with Paywarden."""
        files = resources.files("paywarden.events").joinpath("mappings").iterdir()
        return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))

    @classmethod
    def load(cls, name_or_path: str | Path) -> Mapping:
        """The mapping of that packaged name, or of the YAML file at that path.

        Raises :class:`~paywarden.errors.MappingError` if there is none, or if it is wrong: with the key, what is there
        and the remedy.
        """
        path = Path(name_or_path)
        if path.suffix in {".yaml", ".yml"}:
            if not path.is_file():
                raise MappingError(f"there is no mapping file {path}; check the path")
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        if str(name_or_path) not in cls.packaged():
            names = cls.packaged()
            hint = did_you_mean(str(name_or_path), names)
            raise MappingError(
                f"there is no mapping {str(name_or_path)!r}.{hint} Known: {', '.join(names)}; "
                f"or give the path of a .yaml file"
            )
        file = resources.files("paywarden.events").joinpath("mappings").joinpath(f"{name_or_path}.yaml")
        return cls.parse(file.read_text(encoding="utf-8"), str(name_or_path))

    @classmethod
    def parse(cls, text: str, name: str) -> Mapping:
        """The mapping written in ``text``; ``name`` says in messages where it came from."""
        try:
            top = Section(yaml.safe_load(text), f"mapping {name}", _KEYS)
        except yaml.YAMLError as error:
            raise MappingError(f"mapping {name} is not YAML: {error}") from error
        entities = {key: _entity(value, f"{top.where}, entities.{key}") for key, value in _block(top, "entities")}
        numbers, categories = dict(_block(top, "extra_numbers")), dict(_block(top, "extra_categories"))
        optional = ("currency", *OPTIONAL_TEXTS, *OPTIONAL_NUMBERS)
        top.any("currency")
        return cls(
            name=name,
            schema=_schema(top, tuple(entities), tuple(numbers), tuple(categories)),
            entities=entities,
            transaction_id=_column(top.any("transaction_id"), f"{top.where}, transaction_id"),
            occurred_at=_time(top.any("occurred_at"), f"{top.where}, occurred_at"),
            amount=_amount(top.any("amount"), f"{top.where}, amount"),
            fields={
                key: _source(top.any(key), f"{top.where}, {key}", number=key in OPTIONAL_NUMBERS)
                for key in optional
                if key in top
            },
            extras={
                key: _source(value, f"{top.where}, extras.{key}", number=key in numbers)
                for key, value in (numbers | categories).items()
            },
            label=_label(top.any("label"), f"{top.where}, label") if "label" in top else None,
            received_delay_ms=top.duration_ms("received_delay", "0s"),
        )

    def columns(self) -> Iterator[tuple[str, str]]:
        """Each place of the mapping that names a column of the file, and the column."""
        yield "transaction_id", self.transaction_id
        yield "occurred_at", self.occurred_at.column
        yield "amount", self.amount.column
        yield from ((f"entities.{name}", entity.column) for name, entity in self.entities.items())
        for place, source in {**self.fields, **self.extras}.items():
            if source.column is not None:
                yield place, source.column
        if self.label is not None:
            yield "label", self.label.column
            if self.label.pattern_column is not None:
                yield "label.pattern", self.label.pattern_column


def _schema(
    top: Section, entities: tuple[str, ...], numbers: tuple[str, ...], categories: tuple[str, ...]
) -> EventSchema:
    try:
        return EventSchema(entities, numbers, categories)
    except ConfigurationError as error:
        raise MappingError(f"{top.where}: {error}") from error


def _block(top: Section, key: str) -> list[tuple[str, object]]:
    values = top.any(key) if key in top else {}
    if not isinstance(values, dict):
        raise MappingError(f"{top.where}: {key!r} is {values!r}; write a block of `name: COLUMN`")
    return list(values.items())


def _column(value: object, where: str) -> str:
    return value if isinstance(value, str) and value else Section(value, where, ["column"]).text("column")


def _entity(value: object, where: str) -> EntitySource:
    if isinstance(value, str):
        return EntitySource(value)
    section = Section(value, where, ["column", "tokenise"])
    return EntitySource(section.text("column"), section.flag("tokenise"))


def _source(value: object, where: str, *, number: bool) -> Source:
    if isinstance(value, str):
        return Source(column=value)
    section = Section(value, where, ["column", "value"])
    if ("column" in section) == ("value" in section):
        raise MappingError(f"{where}: give either 'column' or 'value'")
    if "column" in section:
        return Source(column=section.text("column"))
    constant = section.any("value")
    if isinstance(constant, bool) or not isinstance(constant, int | float if number else str | int | float):
        raise MappingError(f"{where}: 'value' is {constant!r}; write a {'number' if number else 'text'}")
    return Source(value=constant)


def _time(value: object, where: str) -> TimeSource:
    if isinstance(value, str):
        return TimeSource(value)
    section = Section(value, where, ["column", "format", "timezone"])
    timezone = section.text("timezone", "UTC")
    if timezone not in zoneinfo.available_timezones():
        hint = did_you_mean(timezone, zoneinfo.available_timezones())
        raise MappingError(f"{where}: there is no time zone {timezone!r}.{hint} Write one such as UTC or Europe/Paris")
    return TimeSource(section.text("column"), section.one_of("format", TIME_FORMATS, "datetime"), timezone)


def _amount(value: object, where: str) -> AmountSource:
    section = Section(value, where, ["column", "unit"])
    return AmountSource(section.text("column"), section.one_of("unit", AMOUNT_UNITS))


def _label(value: object, where: str) -> LabelSource:
    keys = ["column", "source", "delay", "fraud_values", "legitimate_values", "legitimate_labels", "pattern"]
    section = Section(value, where, keys)
    pattern_column, pattern_names = None, {}
    if "pattern" in section:
        pattern = section.any("pattern")
        block = Section(
            {"column": pattern} if isinstance(pattern, str) else pattern, f"{where}.pattern", ["column", "names"]
        )
        pattern_column = block.text("column")
        names = Section(block.any("names"), f"{where}.pattern.names", block.any("names")) if "names" in block else None
        pattern_names = {as_text(key): str(name) for key, name in block.any("names").items()} if names else {}
    return LabelSource(
        column=section.text("column"),
        source=section.one_of("source", LABEL_SOURCES),
        delay_ms=section.duration_ms("delay", "0s"),
        fraud_values=_values(section, "fraud_values", LabelSource.fraud_values),
        legitimate_values=_values(section, "legitimate_values", LabelSource.legitimate_values),
        legitimate=section.flag("legitimate_labels"),
        pattern_column=pattern_column,
        pattern_names=pattern_names,
    )


def _values(section: Section, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    if key not in section:
        return default
    values = section.any(key)
    return tuple(as_text(value) for value in (values if isinstance(values, list) else [values]))


def as_text(value: object) -> str:
    """A YAML value in the form in which columns of labels and patterns are compared: ``true``, ``1``, lower case."""
    return str(value).strip().lower()
