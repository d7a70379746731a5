"""A feature is frozen data; its name is derived, never typed."""

from __future__ import annotations

from dataclasses import dataclass

from paywarden.features.aggregations import ALL, Aggregation
from paywarden.features.aggregations.aggregation import Stored
from paywarden.features.windows import Window, windows_name


@dataclass(frozen=True)
class Feature:
    """An aggregation of an entity's events over a window.

    ``field`` is one of :mod:`paywarden.features.fields` or None; ``window`` is None for what needs no window (recency);
    ``baseline`` is the longer window that a burst is held against, or that a matured rate looks back to. Raises
    ValueError where one is missing or too many.
    """

    entity: str
    aggregation: str
    field: str | None = None
    window: Window | None = None
    baseline: Window | None = None

    def __post_init__(self) -> None:
        if self.aggregation not in ALL:
            raise ValueError(f"feature {self.name}: no aggregation {self.aggregation!r}; there are {', '.join(ALL)}")
        found = self.computation
        if bool(found.stores) != (self.window is not None):
            raise ValueError(f"feature {self.name}: {self.aggregation} needs {'a' if found.stores else 'no'} window")
        if found.of_field != (self.field is not None):
            raise ValueError(f"feature {self.name}: {self.aggregation} needs {'no' if self.field else 'a'} field")
        if self.field and found.of_number and not (self.field == "amount" or self.field.startswith("extra_")):
            raise ValueError(f"feature {self.name}: {self.aggregation} needs a number: amount, or an extra number")
        if found.against_baseline != (self.baseline is not None):
            wants = "a" if found.against_baseline else "no"
            raise ValueError(f"feature {self.name}: {self.aggregation} needs {wants} baseline window")
        if self.window and self.baseline and self.baseline.duration_ms < self.window.duration_ms:
            raise ValueError(f"feature {self.name}: the baseline must not be shorter than the window")
        if found.with_lag and self.window and self.baseline:
            self._check_lag(self.window, self.baseline)

    @property
    def name(self) -> str:
        """For example ``card_sum_amount_1h``."""
        known = ALL.get(self.aggregation)
        windows = (window.name if window else None for window in (self.window, self.baseline))
        parts = (self.entity, known.word if known else self.aggregation, self.field, *windows)
        return "_".join(part for part in parts if part)

    @property
    def computation(self) -> Aggregation:
        """The aggregation that the name stands for."""
        return ALL[self.aggregation]

    def field_of(self, stored: Stored) -> str | None:
        """The field that one of its cells is made of; None for a count of everything."""
        # An extra may be absent from a transaction that has an amount, so that its mean needs a count of its own.
        own_count = self.field is not None and self.field.startswith("extra_")
        return self.field if stored.of_field or own_count else None

    def window_of(self, stored: Stored) -> Window:
        """The window over which one of its cells is read."""
        window = self.lag if stored.lag else self.baseline if stored.baseline else self.window
        if window is None:
            raise ValueError(f"feature {self.name} has no windows")
        return window

    @property
    def lag(self) -> Window | None:
        """What the baseline window is longer than the window, up to the present."""
        if self.window is None or self.baseline is None:
            return None
        duration = self.baseline.duration_ms - self.window.duration_ms
        return Window(duration, self.baseline.tile_ms, windows_name(duration))

    def _check_lag(self, window: Window, baseline: Window) -> None:
        """What is older than the lag is told by subtracting tiles, so that both windows must have the same ones."""
        if window.tile_ms != baseline.tile_ms:
            raise ValueError(f"feature {self.name}: window and baseline need tiles of one width")
        if window.duration_ms == baseline.duration_ms:
            raise ValueError(
                f"feature {self.name}: the baseline must be longer than the window, by the time that reports take"
            )

    @property
    def meaning(self) -> str:
        """In words, for people."""
        field = self.field.removeprefix("extra_").replace("_", " ") if self.field else ""
        text = self.computation.meaning.format(field=field, fields=_plural(field))
        text += f" of the {self.entity.replace('_', ' and ')}"
        text += f" in {self.window.name}" if self.window else ""
        return text + (f", against {self.baseline.name}" if self.baseline else "")


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
