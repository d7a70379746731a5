"""The catalogues that come with Paywarden: which features templates make of the data a deployment has."""

from __future__ import annotations

from paywarden.events.schema import EventSchema
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue
from paywarden.features.feature import Feature
from paywarden.features.fields import CODES
from paywarden.features.request import CORE_REQUEST
from paywarden.features.windows import (
    CORE_WINDOWS,
    DAY,
    DAY_MS,
    HOUR,
    HOUR_MS,
    MONTH,
    QUARTER,
    VELOCITY_WINDOWS,
    WEEK,
    Window,
)

_MATURED = tuple(
    (Window(days * DAY_MS, 12 * HOUR_MS, f"{days}d"), Window((days + 7) * DAY_MS, 12 * HOUR_MS, f"{days + 7}d"))
    for days in (1, 3, 7)
)
"""Windows of reports, each with the baseline that reaches back a week further: most reports have come by then."""


def core_catalogue(entities: tuple[str, ...] = ("card", "merchant")) -> Catalogue:
    """Velocities, history and fraud rates of every entity, from amount and time alone."""
    features: list[Feature] = []
    for entity in entities:
        routing = entity == entities[0]
        features += _velocity(entity, CORE_WINDOWS)
        features += _against_history(entity)
        features += _fraud_rates(entity, (WEEK, MONTH) if routing else (DAY, WEEK, MONTH))
        if not routing:
            features += [Feature(entity, "distinct", entities[0], window) for window in (HOUR, DAY, WEEK)]
    return Catalogue(entities, tuple(features))


def full_catalogue(schema: EventSchema, calendar: Calendar = Calendar()) -> Catalogue:  # noqa: B008 (frozen)
    """Every feature that data of this schema allow: what needs a field that they lack is absent."""
    entities = schema.entities
    pairs = ((entities[0], entities[1]),) if len(entities) > 1 else ()
    features: list[Feature] = []
    for entity in entities:
        features += _of_any_entity(entity, schema)
        features += _of_routing_entity(entity, schema) if entity == entities[0] else _of_other_entity(entity, schema)
    for first, second in pairs:
        features += _of_pair(f"{first}_{second}")
    codes = (*(code for code in CODES if code in schema.optional), *(f"extra_{c}" for c in schema.extra_categories))
    request = (
        *CORE_REQUEST,
        "is_weekend",
        "is_holiday",
        *(f"{code}_code" for code in codes),
        *(f"extra_{number}" for number in schema.extra_numbers),
    )
    return Catalogue(entities, tuple(features), pairs=pairs, request=request, calendar=calendar)


def _of_any_entity(entity: str, schema: EventSchema) -> list[Feature]:
    features = _velocity(entity, VELOCITY_WINDOWS)
    features += [Feature(entity, "std", "amount", window) for window in (DAY, WEEK, MONTH)]
    features += _against_history(entity)
    features += [Feature(entity, "burst", None, short, long) for short, long in ((HOUR, WEEK), (DAY, MONTH))]
    features += [Feature(entity, "peak", "amount", window, MONTH) for window in (DAY, WEEK)]
    features += [Feature(entity, "count_of", "anomaly", window) for window in (DAY, WEEK)]
    # Frauds of one card are reported days later, so that a day tells nothing of it and would cost 32 bytes.
    features += _fraud_rates(entity, (WEEK, MONTH) if entity == schema.routing_entity else (DAY, WEEK, MONTH))
    features += [Feature(entity, "seconds_since_fraud"), Feature(entity, "fraud_run_seconds")]
    if "auth_result" in schema.optional:
        features += [Feature(entity, "count_of", "declined", window) for window in (HOUR, DAY, WEEK)]
    if "transaction_type" in schema.optional:
        features.append(Feature(entity, "refund_count", None, MONTH))
    for extra in schema.aggregated:
        features += [Feature(entity, "mean", f"extra_{extra}", window) for window in (DAY, MONTH)]
        features.append(Feature(entity, "zscore", f"extra_{extra}", MONTH))
    return features


def _of_routing_entity(entity: str, schema: EventSchema) -> list[Feature]:
    """What tells that somebody else has taken over: new surroundings, more of them, travel."""
    codes = [code for code in ("category", "country") if code in schema.optional]
    others = schema.entities[1:]
    features = [Feature(entity, "distinct_few", other, window) for other in others[:1] for window in (HOUR, DAY, WEEK)]
    features += [
        Feature(entity, "distinct_few", what, window) for what in (*others[1:], *codes) for window in (DAY, WEEK)
    ]
    features += [Feature(entity, "first_time_of", what, QUARTER) for what in (*others[1:], *codes, "hour")]
    if "location" in schema.optional:
        features.append(Feature(entity, "speed_kmh"))
    return features


def _of_other_entity(entity: str, schema: EventSchema) -> list[Feature]:
    """What tells that a merchant, a device or an address serves fraud: who comes, and with what amounts."""
    routing = schema.entities[0]
    features = [Feature(entity, "distinct", routing, window) for window in (HOUR, DAY, WEEK)]
    features += [Feature(entity, "share", "small", window) for window in (HOUR, DAY, WEEK)]
    features += [Feature(entity, "share", "round", window) for window in (DAY, WEEK)]
    if entity == schema.entities[1]:
        features += [Feature(entity, "share", "newcomer", window) for window in (HOUR, DAY, WEEK)]
    return features + [Feature(entity, "matured_fraud_rate", None, window, baseline) for window, baseline in _MATURED]


def _of_pair(pair: str) -> list[Feature]:
    windowed = [Feature(pair, "count", None, QUARTER), Feature(pair, "first_time", None, QUARTER)]
    return [*windowed, Feature(pair, "ratio_to_mean", "amount", QUARTER), Feature(pair, "seconds_since_last")]


def _velocity(entity: str, windows: tuple[Window, ...]) -> list[Feature]:
    """Count, sum, mean and maximum over every window, and the time since the last."""
    velocity = [Feature(entity, "count", None, window) for window in windows]
    for aggregation in ("sum", "mean", "max"):
        velocity += [Feature(entity, aggregation, "amount", window) for window in windows]
    return [*velocity, Feature(entity, "seconds_since_last")]


def _against_history(entity: str) -> list[Feature]:
    return [Feature(entity, aggregation, "amount", MONTH) for aggregation in ("ratio_to_mean", "zscore")]


def _fraud_rates(entity: str, windows: tuple[Window, ...]) -> list[Feature]:
    return [Feature(entity, "fraud_rate", None, window) for window in windows]
