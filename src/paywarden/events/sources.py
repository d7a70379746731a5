"""Where each field of an event comes from in a file: the parts of a :class:`~paywarden.events.mapping.Mapping`."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Source:
    """Where a field comes from. Exactly one of ``column``, ``value`` and ``distance_km`` is set.

    ``column`` is a column of the file, whose values ``names`` replaces, by their text in lower case: a value without
    a name is null then. ``value`` is one value for all rows. ``distance_km`` names four columns, latitude and
    longitude of two points: the field is how far they lie apart.
    """

    column: str | None = None
    value: str | float | None = None
    names: MappingOf[str, str] = field(default_factory=dict)
    distance_km: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is made of; none for a constant."""
        return self.distance_km if self.column is None else (self.column,)


@dataclass(frozen=True)
class IdSource:
    """The column of the transaction id, or none: then it is the number of the row, from 1. ``prefix`` goes before.

    Row numbers are the same whenever the same file is read, and differ between files only by a prefix.
    """

    column: str | None = None
    prefix: str = ""


@dataclass(frozen=True)
class EntitySource:
    """The column of an entity's ids; with ``tokenise`` they are replaced by keyed hashes when read."""

    column: str
    tokenise: bool = False


@dataclass(frozen=True)
class TimeSource:
    """The column of a time and how it is read.

    ``format`` is a key of :data:`~paywarden.events.time_readers.TIME_FORMATS` or a pattern of strptime; ``timezone``
    the zone of times that carry none; ``start``, in that zone, what the column counts from; ``hour`` the column of
    the time of day, where another one holds it.
    """

    column: str
    format: str = "datetime"
    timezone: str = "UTC"
    start: datetime | None = None
    hour: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that make up the time."""
        return (self.column,) if self.hour is None else (self.column, self.hour)


@dataclass(frozen=True)
class AmountSource:
    """The column of the amount; ``unit`` is ``major`` (12.50 euro) or ``minor`` (1250 cents)."""

    column: str
    unit: str


@dataclass(frozen=True)
class LabelSource:
    """How a column says which transactions are frauds, and when that became known.

    A label is given ``delay_ms`` after its transaction. Frauds get one, and with ``legitimate`` the others too. A value
    listed in neither ``fraud_values`` nor ``legitimate_values`` is refused; null means not labelled. ``pattern`` is the
    kind of fraud.
    """

    column: str
    source: str
    delay_ms: int
    fraud_values: tuple[str, ...] = ("1", "true")
    legitimate_values: tuple[str, ...] = ("0", "false")
    legitimate: bool = False
    pattern: Source | None = None
