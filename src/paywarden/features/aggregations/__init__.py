"""Aggregations, one a file: what is stored in a tile and what is read from it.

``ALL`` holds every aggregation by name, found by walking this package, so a new file is all it takes.
"""

from __future__ import annotations

import importlib
import pkgutil

from paywarden.features.aggregations.aggregation import Aggregation


def _discover() -> dict[str, Aggregation]:
    found: dict[str, Aggregation] = {}
    for module in pkgutil.iter_modules(__path__):
        contents = vars(importlib.import_module(f"{__name__}.{module.name}"))
        found.update({value.name: value for value in contents.values() if isinstance(value, Aggregation)})
    return dict(sorted(found.items()))


ALL: dict[str, Aggregation] = _discover()

__all__ = ["ALL", "Aggregation"]
