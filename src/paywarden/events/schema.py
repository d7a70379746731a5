"""What a transaction and a label are made of: their columns, their enumerations and what a deployment may declare.

The wire names are in :mod:`paywarden.events.message_fields`; what a value may be is in :mod:`paywarden.events.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields

import pyarrow as pa

from paywarden.errors import ConfigurationError

TRANSACTION_TYPES = ("authorisation", "refund", "reversal")
AUTH_RESULTS = ("approved", "declined")
CHANNELS = ("online", "in_person", "atm", "mail_or_phone", "transfer")
LABEL_SOURCES = ("chargeback", "analyst", "issuer_report")
DEFAULT_TRANSACTION_TYPE = TRANSACTION_TYPES[0]
OPTIONAL_FIELDS = ("auth_result", "transaction_type", "category", "channel", "country", "location")
"""What data may lack; ``location`` is latitude and longitude together."""

MAX_NAME_LENGTH = 40  # names become parts of feature names, such as card_ratio_amount_mean_30d
_NAME = re.compile(r"[a-z][a-z0-9_]*")
FIELD_NAMES = ("amount", "hour", "category", "channel", "country", "declined", "small", "round", "newcomer", "anomaly")
"""What features call the fields of a transaction: no entity may have such a name."""


@dataclass(frozen=True)
class EventSchema:
    """The entities, optional and extra fields that the data have, and the Arrow schemas that follow from them.

    ``entities`` are tokens of a card, a merchant, a device and the like; the first one routes: it is the Kafka key
    of a transaction and of its labels. Without any, the transaction id routes. ``extra_numbers`` (float64) and
    ``extra_categories`` (string) are further request fields; ``aggregated`` names those numbers that are also
    aggregated over the entities. ``optional`` says which of :data:`OPTIONAL_FIELDS` the data have at all: a column
    that they lack is there all the same, and null. All names are lowercase identifiers of at most 40 characters. A
    name repeated, or one that does not stand for anything, raises :class:`~paywarden.errors.ConfigurationError`.

    >>> EventSchema().routing_entity, EventSchema().entity_columns
    ('card', ('entity_card', 'entity_merchant'))
    """

    entities: tuple[str, ...] = ("card", "merchant")
    extra_numbers: tuple[str, ...] = ()
    extra_categories: tuple[str, ...] = ()
    optional: tuple[str, ...] = OPTIONAL_FIELDS
    aggregated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            names = getattr(self, field.name)
            if isinstance(names, str):
                raise ConfigurationError(f"{field.name} is the string {names!r}; give a list of names")
            object.__setattr__(self, field.name, tuple(names))  # a list from YAML is welcome, and stays hashable
        _check_names("entities", self.entities)
        taken = {*FIELD_NAMES, "routing", *(f"{self.entities[0]}_{other}" for other in self.entities[1:])}
        for entity in self.entities:
            if entity in taken:
                raise ConfigurationError(f"entities: {entity!r} is a name of features; rename the entity")
        for number in self.extra_numbers:
            if number.endswith("_code"):
                raise ConfigurationError(
                    f"extra_numbers: {number!r} ends in _code, as codes of texts do; rename it, or make it a category"
                )
        _check_names("extra_numbers and extra_categories", self.extra_numbers + self.extra_categories)
        for name, all_names in (("optional", OPTIONAL_FIELDS), ("aggregated", self.extra_numbers)):
            chosen = getattr(self, name)
            _check_names(name, chosen)
            _check_known(name, chosen, all_names)
            object.__setattr__(self, name, tuple(n for n in all_names if n in chosen))  # their order says nothing

    @property
    def routing_entity(self) -> str | None:
        """The entity whose token is the Kafka key of a transaction and of its labels; none where the id routes."""
        return self.entities[0] if self.entities else None

    @property
    def entity_columns(self) -> tuple[str, ...]:
        """Column names of the entities, in order: ``entity_card``, ``entity_merchant``."""
        return tuple(f"entity_{name}" for name in self.entities)

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Column names of the extras, numbers before categories: ``extra_<name>``."""
        return tuple(f"extra_{name}" for name in self.extra_numbers + self.extra_categories)

    def transaction_schema(self) -> pa.Schema:
        """Canonical columns of transactions; times are int64 epoch ms UTC, amounts int64 minor units.

        Never null: transaction_id, occurred_at, received_at, routing_key, amount, currency, amount_base,
        transaction_type.
        """
        return pa.schema(
            [
                ("transaction_id", pa.string()),
                ("occurred_at", pa.int64()),
                ("received_at", pa.int64()),
                ("routing_key", pa.string()),
                *((column, pa.string()) for column in self.entity_columns),
                ("amount", pa.int64()),
                ("currency", pa.string()),
                ("amount_base", pa.int64()),
                ("transaction_type", pa.string()),
                ("auth_result", pa.string()),
                ("category", pa.string()),
                ("channel", pa.string()),
                ("country", pa.string()),
                ("latitude", pa.float64()),
                ("longitude", pa.float64()),
                *((f"extra_{name}", pa.float64()) for name in self.extra_numbers),
                *((f"extra_{name}", pa.string()) for name in self.extra_categories),
            ]
        )

    def label_schema(self) -> pa.Schema:
        """Canonical columns of labels; only the entities and ``pattern`` may be null.

        ``occurred_at`` is the time of the labelled transaction, ``labelled_at`` that of the verdict,
        ``received_at`` when the label reached us: the time from which features may know it.
        """
        return pa.schema(
            [
                ("transaction_id", pa.string()),
                ("occurred_at", pa.int64()),
                ("labelled_at", pa.int64()),
                ("received_at", pa.int64()),
                ("routing_key", pa.string()),
                *((column, pa.string()) for column in self.entity_columns),
                ("is_fraud", pa.bool_()),
                ("source", pa.string()),
                ("pattern", pa.string()),
            ]
        )


def _check_names(field: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
            raise ConfigurationError(
                f"{field}: {name!r} is no name; use lowercase letters, digits and _, a letter first, "
                f"at most {MAX_NAME_LENGTH} characters"
            )
        if name in seen:
            raise ConfigurationError(f"{field}: {name!r} is declared twice; rename or remove one")
        seen.add(name)


def _check_known(field: str, names: Iterable[str], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            listed = f"known: {', '.join(known)}" if known else "no extra_numbers are declared"
            raise ConfigurationError(f"{field}: there is no {name!r}; {listed}")
