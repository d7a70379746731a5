"""Columns that may be given to the model as they are, and names for them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from paywarden.events.guessing.guess import Guess, one_line, scalar
from paywarden.events.guessing.profile import Column
from paywarden.events.schema import MAX_NAME_LENGTH

FEWEST_COMPONENTS = 3


def guess_components(columns: Sequence[Column]) -> Guess | None:
    """Numbered columns such as V1 to V28: numbers that somebody made for a model."""
    series: dict[str, list[Column]] = {}
    for column in columns:
        if len(column.words) == 2 and column.words[1].isdigit() and len(column.words[0]) <= 10 and column.is_number:
            series.setdefault(column.words[0], []).append(column)
    chosen = [column for found in series.values() if len(found) >= FEWEST_COMPONENTS for column in found]
    if not chosen:
        return None
    lines = tuple(f"  {name}: {scalar(column.name)}" for name, column in with_extra_names(chosen))
    span = f"{one_line(chosen[0].name)} to {one_line(chosen[-1].name)}"
    why = f"{len(chosen)} numbered columns, {span}: as they are, not aggregated"
    return Guess("extra_numbers", ("", *lines), tuple(column.name for column in chosen), (why,))


def with_extra_names(columns: Sequence[Column]) -> list[tuple[str, Column]]:
    """Each column with a name that an extra may have, like its own where that can be; no name occurs twice."""
    named: dict[str, Column] = {}
    for column in columns:
        name = re.sub(r"_([0-9]+)", r"\1", "_".join(column.words))[: MAX_NAME_LENGTH - 5].rstrip("_")
        name = name if name and name[0].isalpha() else f"extra_{name}".rstrip("_")
        while name in named:
            name = f"{name}_{len(named)}"[-MAX_NAME_LENGTH:]
        named[name] = column
    return list(named.items())
