"""A feature is frozen data; its name is derived, never typed."""

from __future__ import annotations

from dataclasses import dataclass

from paywarden.features.aggregations import ALL, Aggregation
from paywarden.features.windows import Window


@dataclass(frozen=True)
class Feature:
    """An aggregation of an entity's events over a window.

    ``field`` is ``amount`` (base-currency minor units), the name of another entity (for distinct counts), or None;
    ``window`` is None for what needs no window (recency). Raises ValueError where either is missing or too many.
    """

    entity: str
    aggregation: str
    field: str | None = None
    window: Window | None = None

    def __post_init__(self) -> None:
        if self.aggregation not in ALL:
            raise ValueError(f"feature {self.name}: no aggregation {self.aggregation!r}; there are {', '.join(ALL)}")
        stores = self.computation.stores
        if bool(stores) != (self.window is not None):
            raise ValueError(f"feature {self.name}: {self.aggregation} needs {'a' if stores else 'no'} window")
        if any(stored.of_field for stored in stores) != (self.field is not None):
            raise ValueError(f"feature {self.name}: {self.aggregation} needs {'no' if self.field else 'a'} field")

    @property
    def name(self) -> str:
        """For example ``card_sum_amount_1h``."""
        parts = (self.entity, self.aggregation, self.field, self.window.name if self.window else None)
        return "_".join(part for part in parts if part)

    @property
    def computation(self) -> Aggregation:
        """The aggregation that the name stands for."""
        return ALL[self.aggregation]

    @property
    def meaning(self) -> str:
        """In words, for people."""
        text = self.computation.meaning.format(field=self.field)
        return f"{text} of the {self.entity}" + (f" in {self.window.name}" if self.window else "")
