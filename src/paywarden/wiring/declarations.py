"""What transactions bear here: entities, extras, currencies, features, and how a file says them."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from paywarden.events.currency import CurrencyTable, DatedRate
from paywarden.events.mapped_data import MappedData, read_events
from paywarden.events.mapping import Mapping
from paywarden.events.schema import EventSchema
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue
from paywarden.features.catalogue_file import find_catalogue
from paywarden.features.windows import DAY_MS
from paywarden.settings import Settings


def event_schema(settings: Settings) -> EventSchema:
    """The entities and extras that transactions may bear."""
    events = settings.events
    return EventSchema(
        events.entities, events.extra_numbers, events.extra_categories, events.optional, events.aggregated
    )


def declared(schema: EventSchema) -> dict[str, list[str]]:
    """The events section of settings that declares this schema."""
    return {field.name: list(getattr(schema, field.name)) for field in fields(schema)}


def currency_table(settings: Settings) -> CurrencyTable:
    """The dated conversion into the base currency."""
    rates = {
        code: [DatedRate(_midnight_ms(rate.valid_from), rate.rate) for rate in dated]
        for code, dated in settings.events.rates.items()
    }
    return CurrencyTable(settings.events.base_currency, rates)


def catalogue(settings: Settings) -> Catalogue:
    """The features that new models are trained on, for the declared entities and fields."""
    features = settings.features
    return find_catalogue(features.catalogue, event_schema(settings), Calendar(features.timezone, features.holidays))


def mapped_data(settings: Settings, file: Path, mapping: str) -> MappedData:
    """A file read through a mapping.

    The settings' currencies are used where they convert any, or where a column names each row's currency.
    """
    key, how = settings.events.token_key, Mapping.load(mapping)
    several = settings.events.rates or how.fields["currency"].value is None
    return read_events(
        file,
        how,
        currencies=currency_table(settings) if several else None,
        token_key=key.get_secret_value().encode() if key else None,
    )


def _midnight_ms(day: object) -> int:
    return int(datetime.fromisoformat(f"{day}").replace(tzinfo=UTC).timestamp() * 1000)


def days_ms(days: float) -> int:
    """Days in milliseconds."""
    return int(days * DAY_MS)
