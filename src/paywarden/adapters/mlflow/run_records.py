"""A training run as MLflow records it: flat parameters, flat metrics, tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_LONGEST_PARAMETER: Final = 6000  # MLflow's limit
_FORBIDDEN: Final = re.compile(r"[^\w\-. /]")


def flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of a nested document by dotted name, with characters that MLflow refuses in a name replaced by `_`."""
    return dict(_leaves(document, prefix))


def as_parameters(document: Mapping[str, Any]) -> dict[str, str]:
    """Every leaf as words, cut to the length that MLflow takes."""
    return {name: str(value)[:_LONGEST_PARAMETER] for name, value in flatten(document).items()}


def as_metrics(document: Mapping[str, Any]) -> dict[str, float]:
    """Every numeric leaf; what is undefined (None) is left out, because MLflow has no word for it."""
    numbers = (int, float)
    return {name: float(value) for name, value in flatten(document).items() if isinstance(value, numbers)}


def _leaves(document: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        name = f"{prefix}{_FORBIDDEN.sub('_', str(key))}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value
