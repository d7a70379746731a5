"""The YAML of a mapping, read key by key into its parts.

Wherever a column stands, its bare name may be written, or ``{column: NAME}``; where a field has one value for the whole
file, ``{value: V}``.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping as MappingOf
from datetime import date, datetime
from typing import Any

import yaml

from paywarden.errors import ConfigurationError, MappingError
from paywarden.events.schema import LABEL_SOURCES, OPTIONAL_FIELDS, EventSchema
from paywarden.events.sources import AmountSource, EntitySource, IdSource, LabelSource, Source, TimeSource
from paywarden.events.time_readers import COUNTED_FROM_START, TIME_FORMATS, WITH_HOUR, is_pattern
from paywarden.events.value_readers import AMOUNT_UNITS
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


_BOOL = "tag:yaml.org,2002:bool"


def parsed_parts(text: str, name: str) -> dict[str, Any]:
    """The fields of a :class:`~paywarden.events.mapping.Mapping` but its name, as ``text`` says.

    Raises :class:`~paywarden.errors.MappingError` with the key, what is there and the remedy.
    """
    try:
        top = Section(yaml.load(text, _Loader), f"mapping {name}", _KEYS)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise MappingError(f"mapping {name} is not YAML: {error}") from error
    entities = {key: _entity(value, f"{top.where}, entities.{key}") for key, value in _block(top, "entities")}
    numbers, categories = _block(top, "extra_numbers"), _block(top, "extra_categories")
    top.any("currency")
    where = f"{top.where}, extras"
    return {
        "schema": _schema(top, tuple(entities), numbers, categories),
        "entities": entities,
        "transaction_id": _id(top.any("transaction_id"), f"{top.where}, transaction_id"),
        "occurred_at": _time(top.any("occurred_at"), f"{top.where}, occurred_at"),
        "amount": _amount(top.any("amount"), f"{top.where}, amount"),
        "fields": {
            **{key: _text(top.any(key), f"{top.where}, {key}") for key in ("currency", *OPTIONAL_TEXTS) if key in top},
            **{key: _number(top.any(key), f"{top.where}, {key}") for key in OPTIONAL_NUMBERS if key in top},
        },
        "extras": {
            **{key: _number(value, f"{where}.{key}", "aggregate") for key, value in numbers},
            **{key: _text(value, f"{where}.{key}") for key, value in categories},
        },
        "label": _label(top.any("label"), f"{top.where}, label") if "label" in top else None,
        "received_delay_ms": top.duration_ms("received_delay", "0s"),
    }


class _Loader(yaml.SafeLoader):
    """YAML in which only true and false are truth values, as in YAML 1.2: ``no`` is a label's value, ``NO`` is Norway.

    A key that is written twice is refused: the second would silently win.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        written = [key.value for key, _ in node.value]
        for key in written:
            if written.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is written twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(_BOOL, re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF"))


def _schema(
    top: Section, entities: tuple[str, ...], numbers: list[tuple[str, object]], categories: list[tuple[str, object]]
) -> EventSchema:
    if ("latitude" in top) != ("longitude" in top):
        raise MappingError(f"{top.where}: latitude and longitude belong together; give both, or neither")
    optional = [name for name in OPTIONAL_FIELDS if name in top or (name == "location" and "latitude" in top)]
    aggregated = [name for name, value in numbers if isinstance(value, dict) and value.get("aggregate") is True]
    try:
        return EventSchema(
            entities,
            tuple(name for name, _ in numbers),
            tuple(name for name, _ in categories),
            tuple(optional),
            tuple(aggregated),
        )
    except ConfigurationError as error:
        raise MappingError(f"{top.where}: {error}") from error


def _block(top: Section, key: str) -> list[tuple[str, object]]:
    values = top.any(key) if key in top else {}
    if not isinstance(values, dict):
        raise MappingError(f"{top.where}: {key!r} is {values!r}; write a block of `name: COLUMN`")
    return list(values.items())


def _id(value: object, where: str) -> IdSource:
    if isinstance(value, str) and value:
        return IdSource(value)
    section = Section(value, where, ["column", "row_number", "prefix"])
    prefix = section.text("prefix") if "prefix" in section else ""
    if section.flag("row_number"):
        if "column" in section:
            raise MappingError(f"{where}: give either 'column' or 'row_number: true'")
        return IdSource(prefix=prefix)
    if "column" not in section:
        raise MappingError(f"{where}: 'column' is missing; add it, or write 'row_number: true' if the data have no id")
    return IdSource(section.text("column"), prefix)


def _entity(value: object, where: str) -> EntitySource:
    if isinstance(value, str) and value:
        return EntitySource(value)
    section = Section(value, where, ["column", "tokenise"])
    return EntitySource(section.text("column"), section.flag("tokenise"))


def _text(value: object, where: str) -> Source:
    """A field that holds text: a column, whose values may get other names, or one value for all rows."""
    if isinstance(value, str) and value:
        return Source(column=value)
    section = Section(value, where, ["column", "names", "value"])
    section.exactly_one("column", "value")
    if "column" in section:
        return Source(column=section.text("column"), names=_names(section, where))
    constant = section.any("value")
    if isinstance(constant, bool) or not isinstance(constant, str | int | float):
        raise MappingError(f"{where}: 'value' is {constant!r}; write a text, in quotes if YAML takes it for another")
    return Source(value=constant)


def _number(value: object, where: str, *flags: str) -> Source:
    """A field that holds numbers: a column, one value for all rows, or a distance."""
    if isinstance(value, str) and value:
        return Source(column=value)
    section = Section(value, where, ["column", "value", "distance_km", *flags])
    section.exactly_one("column", "value", "distance_km")
    for flag in flags:
        section.flag(flag)
    if "column" in section:
        return Source(column=section.text("column"))
    if "distance_km" in section:
        points = section.any("distance_km")
        if not isinstance(points, list) or len(points) != 4 or not all(isinstance(p, str) and p for p in points):
            raise MappingError(
                f"{where}: 'distance_km' is {points!r}; write [LATITUDE, LONGITUDE, LATITUDE, LONGITUDE]"
            )
        return Source(distance_km=tuple(points))
    constant = section.any("value")
    if isinstance(constant, bool) or not isinstance(constant, int | float):
        raise MappingError(f"{where}: 'value' is {constant!r}; write a number")
    return Source(value=constant)


def _names(section: Section, where: str) -> MappingOf[str, str]:
    if "names" not in section:
        return {}
    names = section.any("names")
    if not isinstance(names, dict):
        raise MappingError(f"{where}.names: expected a block of `value: name`, not {names!r}")
    return {as_text(key): str(name) for key, name in names.items() if name is not None}


def _time(value: object, where: str) -> TimeSource:
    if isinstance(value, str) and value:
        return TimeSource(value)
    section = Section(value, where, ["column", "format", "timezone", "start", "hour"])
    timezone = section.text("timezone", "UTC")
    if timezone not in zoneinfo.available_timezones():
        hint = did_you_mean(timezone, zoneinfo.available_timezones())
        raise MappingError(f"{where}: there is no time zone {timezone!r}.{hint} Write one such as UTC or Europe/Paris")
    time_format = section.text("format", "datetime")
    if not is_pattern(time_format):
        section.one_of("format", TIME_FORMATS, "datetime")
    hour = section.text("hour") if "hour" in section else None
    if hour is not None and time_format not in WITH_HOUR and not is_pattern(time_format):
        raise MappingError(
            f"{where}: 'hour' belongs to a day; format must be one of {', '.join(WITH_HOUR)}, or remove it"
        )
    return TimeSource(section.text("column"), time_format, timezone, _start(section, time_format), hour)


def _start(section: Section, time_format: str) -> datetime | None:
    if time_format not in COUNTED_FROM_START:
        if "start" in section:
            raise MappingError(f"{section.where}: 'start' has no use with format {time_format!r}; remove it")
        return None
    start = section.any("start")
    try:
        if isinstance(start, str):
            return datetime.fromisoformat(start)
        if isinstance(start, datetime):
            return start
        if isinstance(start, date):
            return datetime(start.year, start.month, start.day)  # noqa: DTZ001 - of the mapping's zone
    except ValueError:
        pass
    raise MappingError(f"{section.where}: 'start' is {start!r}; write a date such as 2013-09-01 or 2013-09-01 08:30:00")


def _amount(value: object, where: str) -> AmountSource:
    section = Section(value, where, ["column", "unit"])
    return AmountSource(section.text("column"), section.one_of("unit", AMOUNT_UNITS))


def _label(value: object, where: str) -> LabelSource:
    keys = ["column", "source", "delay", "fraud_values", "legitimate_values", "legitimate_labels", "pattern"]
    section = Section(value, where, keys)
    pattern = _text(section.any("pattern"), f"{where}.pattern") if "pattern" in section else None
    return LabelSource(
        column=section.text("column"),
        source=section.one_of("source", LABEL_SOURCES),
        delay_ms=section.duration_ms("delay", "0s"),
        fraud_values=_values(section, "fraud_values", LabelSource.fraud_values),
        legitimate_values=_values(section, "legitimate_values", LabelSource.legitimate_values),
        legitimate=section.flag("legitimate_labels"),
        pattern=pattern,
    )


def _values(section: Section, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    if key not in section:
        return default
    values = section.any(key)
    return tuple(as_text(value) for value in (values if isinstance(values, list) else [values]))


def as_text(value: object) -> str:
    """A YAML value in the form in which columns of labels and patterns are compared: ``true``, ``1``, lower case."""
    return str(value).strip().lower()
