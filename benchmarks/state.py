"""State: bytes a key."""

from __future__ import annotations

from paywarden.events.schema import EventSchema
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.templates import core_catalogue, full_catalogue


def measure() -> dict[str, object]:
    """The size of each kind of record, by catalogue, where the data have every field."""
    catalogues = {"core": core_catalogue(), "full": full_catalogue(EventSchema())}
    engines = {name: Engine(catalogue) for name, catalogue in catalogues.items()}
    return {
        name: {f"{record}_bytes": 8 * engine.words(record) for record in (ROUTING, *engine.catalogue.records)}
        for name, engine in engines.items()
    }
