"""A catalogue by name, or written in a file as what it adds to a named one and removes from it.

.. code-block:: yaml

    base: full                      # or core
    add:
      - {entity: card, aggregation: sum, field: amount, window: 2h, tile: 10m}
      - {entity: merchant, aggregation: burst, window: 1h, baseline: 90d}
    remove: [card_count_5m, is_holiday]

Added features stand after the base's own of their entity. ``tile`` may be left out for a window that the base has.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import yaml

from paywarden.errors import ConfigurationError
from paywarden.events.schema import EventSchema
from paywarden.events.yaml_section import Section, did_you_mean
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue
from paywarden.features.feature import Feature
from paywarden.features.fields import CODES
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.features.windows import Window, windows_name

NAMES: Final = ("full", "core")
_FEATURE_KEYS = ("entity", "aggregation", "field", "window", "tile", "baseline", "baseline_tile")


def find_catalogue(name_or_path: str, schema: EventSchema, calendar: Calendar) -> Catalogue:
    """The catalogue of this name (``full``, ``core``), or the one written in this YAML file, for data of ``schema``.

    Raises ConfigurationError that names the file, the place in it and what to write instead.
    """
    if name_or_path in NAMES:
        return _named(name_or_path, schema, calendar)
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise ConfigurationError(
            f"there is no catalogue {name_or_path!r}.{did_you_mean(name_or_path, NAMES)} Write one of "
            f"{', '.join(NAMES)}, or the path of a YAML file"
        )
    try:
        content = yaml.safe_load(path.read_text())
        return _read(Section(content, str(path), ("base", "add", "remove")), schema, calendar)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the catalogue {path} cannot be read as YAML: {error}") from error


def lacking(catalogue: Catalogue, schema: EventSchema) -> list[str]:
    """What a catalogue reads and data of this schema do not have; empty where it can be computed."""
    extras = {f"extra_{name}" for name in (*schema.extra_numbers, *schema.extra_categories)}
    known = {*schema.entities, *extras, *(code for code in CODES if code in schema.optional)}
    known |= {"latitude", "longitude"} if "location" in schema.optional else set()
    inputs = catalogue.inputs
    missing = [name for name in (*inputs.entities, *inputs.codes, *inputs.numbers) if name not in known]
    if catalogue.entities and catalogue.entities[:1] != schema.entities[:1]:
        missing.append(f"{catalogue.entities[0]} as the routing entity")
    return missing


def _named(name: str, schema: EventSchema, calendar: Calendar) -> Catalogue:
    if name == "full":
        return full_catalogue(schema, calendar)
    return replace(core_catalogue(schema.entities), calendar=calendar)


def _read(section: Section, schema: EventSchema, calendar: Calendar) -> Catalogue:
    base = _named(section.one_of("base", NAMES, "full"), schema, calendar)
    removed = _removed(section, base)
    added = _added(section, base, schema)
    features = [*(feature for feature in base.features if feature.name not in removed), *added]
    features.sort(key=lambda feature: base.records.index(feature.entity))
    try:
        found = replace(base, features=tuple(features), request=tuple(n for n in base.request if n not in removed))
    except ValueError as error:
        raise ConfigurationError(f"{section.where}: {error}; correct 'add' or 'remove'") from error
    missing = lacking(found, schema)
    if missing:
        raise ConfigurationError(
            f"{section.where}: the data have no {', '.join(missing)}; declare it in the section events of the "
            "settings, or leave out what reads it"
        )
    return found


def _removed(section: Section, base: Catalogue) -> set[str]:
    names = section.any("remove") if "remove" in section else []
    if not isinstance(names, list):
        raise ConfigurationError(f"{section.where}: 'remove' is {names!r}; write a list of feature names")
    for name in names:
        if name not in base.names:
            raise ConfigurationError(
                f"{section.where}: 'remove' names {name!r}, which the base does not have."
                f"{did_you_mean(str(name), base.names)} `paywarden features show` lists them"
            )
    return set(names)


def _added(section: Section, base: Catalogue, schema: EventSchema) -> list[Feature]:
    entries = section.any("add") if "add" in section else []
    if not isinstance(entries, list):
        raise ConfigurationError(f"{section.where}: 'add' is {entries!r}; write a list of features")
    return [
        _feature(Section(entry, f"{section.where}: add[{place}]", _FEATURE_KEYS), base, schema)
        for place, entry in enumerate(entries, 1)
    ]


def _feature(section: Section, base: Catalogue, schema: EventSchema) -> Feature:
    entity = section.one_of("entity", base.records)
    try:
        return Feature(
            entity,
            section.text("aggregation"),
            _field(section.text("field"), schema) if "field" in section else None,
            _window(section, "window", "tile", base),
            _window(section, "baseline", "baseline_tile", base),
        )
    except ValueError as error:
        raise ConfigurationError(f"{section.where}: {error}") from error


def _field(name: str, schema: EventSchema) -> str:
    """An extra may be written as the settings declare it, or as its column is called."""
    return f"extra_{name}" if name in (*schema.extra_numbers, *schema.extra_categories) else name


def _window(section: Section, key: str, tile_key: str, base: Catalogue) -> Window | None:
    if key not in section:
        if tile_key in section:
            raise ConfigurationError(f"{section.where}: {tile_key!r} needs {key!r}; add it")
        return None
    duration = section.duration_ms(key, "")
    if tile_key in section:
        tile = section.duration_ms(tile_key, "")
    else:
        windows = [w for f in base.features for w in (f.window, f.baseline) if w]
        # Of several with one length the first one counts: the base's general windows stand before special ones.
        known = {w.duration_ms: w.tile_ms for w in reversed(windows)}
        if duration not in known:
            raise ConfigurationError(
                f"{section.where}: no feature of the base has the {key} {section.text(key)}, so say how finely it is "
                f"kept: {tile_key}: a duration that divides it, such as a sixth"
            )
        tile = known[duration]
    return Window(duration, tile, windows_name(duration))
