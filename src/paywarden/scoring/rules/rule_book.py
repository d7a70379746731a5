"""The rule book: allow, block and review lists, and rules, as a policy file gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from paywarden.errors import ConfigurationError
from paywarden.scoring.canonical import canonical_bytes, sha256_hex
from paywarden.scoring.policy import APPROVE, DECISIONS, DECLINE, REVIEW
from paywarden.scoring.rules.expression import Expression

LIST_ACTIONS = {"block": DECLINE, "allow": APPROVE, "review": REVIEW}
"""What a list does with a transaction that is on it."""


@dataclass(frozen=True)
class Listed:
    """A value on a list, until ``expires_at`` (epoch ms of the transaction's time), or for good."""

    value: str
    expires_at: int | None = None


@dataclass(frozen=True)
class NamedList:
    """Values of one field: an entity's tokens, or countries. ``shadow``: it is watched and decides nothing."""

    name: str
    action: str
    field: str
    entries: tuple[Listed, ...]
    shadow: bool = False

    @property
    def code(self) -> int:
        """The decision that it stands for, as a code of :mod:`paywarden.scoring.policy`."""
        return LIST_ACTIONS[self.action]

    @cached_property
    def until(self) -> Mapping[str, int | None]:
        """By value, until when it is on the list: the latest of its entries."""
        found: dict[str, int | None] = {}
        for entry in self.entries:
            before = found.get(entry.value, 0)
            found[entry.value] = None if before is None or entry.expires_at is None else max(before, entry.expires_at)
        return found

    def holds(self, value: str | None, at_ms: int) -> bool:
        """Whether the value is on the list at that time."""
        if value is None or value not in self.until:
            return False
        end = self.until[value]
        return end is None or at_ms < end


@dataclass(frozen=True)
class Rule:
    """A condition, and the decision where it holds; with ``shadow`` it is watched and decides nothing."""

    name: str
    when: Expression
    then: str
    shadow: bool = False

    @property
    def code(self) -> int:
        """The decision as a code of :mod:`paywarden.scoring.policy`."""
        return DECISIONS.index(self.then)


@dataclass(frozen=True)
class RuleBook:
    """Lists and rules. Equal books have equal digests; an empty one changes nothing."""

    lists: tuple[NamedList, ...] = ()
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        names = [item.name for item in self.items]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(
                    f"the policy names {name!r} twice; every list and rule needs a name of its own"
                )

    @property
    def items(self) -> list[NamedList | Rule]:
        """Lists, then rules."""
        return [*self.lists, *self.rules]

    def __bool__(self) -> bool:
        return bool(self.lists or self.rules)

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """By name, what a list or rule is, in words for people."""
        lists = {one.name: f"{one.action} list by {one.field}" for one in self.lists}
        return lists | {rule.name: f"{rule.then} where {rule.when.source}" for rule in self.rules}

    @cached_property
    def content(self) -> bytes:
        """All that it says in canonical JSON: what is kept of it, and what travels to workers."""
        return canonical_bytes(self.to_dict())

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of its content."""
        return sha256_hex(self.content)

    def policy_digest(self, thresholds: str) -> str:
        """The digest of a policy made of these thresholds (their digest) and this book; theirs alone if it is empty."""
        return sha256_hex(canonical_bytes({"rules": self.digest, "thresholds": thresholds})) if self else thresholds

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields of a transaction that its lists and rules read, as they call them."""
        return frozenset({one.field for one in self.lists} | self._read_of("transaction"))

    @cached_property
    def features(self) -> frozenset[str]:
        """The features that its rules read."""
        return frozenset(self._read_of("features"))

    def require(self, fields: Sequence[str], features: Sequence[str] | None = None) -> None:
        """Raise ConfigurationError where a list or rule reads a field, or a feature, that there is not.

        ``fields`` are those of a transaction; ``features`` the model's catalogue, or None where it is not known yet.
        """
        for one in self.lists:
            if one.field not in fields:
                raise _missing(f"list {one.name!r}", f"no field {one.field!r}", fields)
        for rule in self.rules:
            for read in sorted(rule.when.reads):
                whose, _, name = read.partition(".")
                if whose == "transaction" and name not in fields:
                    raise _missing(f"rule {rule.name!r}", f"no field transaction.{name}", fields)
                if whose == "features" and features is not None and name not in features:
                    raise _missing(f"rule {rule.name!r}", f"no feature {name}", _like(name, features))
            rule.when.check(_sample(rule.when, fields))

    def _read_of(self, whole: str) -> set[str]:
        reads = (read.partition(".") for rule in self.rules for read in rule.when.reads)
        return {name for whose, _, name in reads if whose == whole}

    def to_dict(self) -> dict[str, Any]:
        """The book as a JSON document."""
        return {
            "lists": [
                {
                    "name": one.name,
                    "action": one.action,
                    "field": one.field,
                    "shadow": one.shadow,
                    "entries": [[entry.value, entry.expires_at] for entry in one.entries],
                }
                for one in self.lists
            ],
            "rules": [
                {"name": rule.name, "when": rule.when.source, "then": rule.then, "shadow": rule.shadow}
                for rule in self.rules
            ],
        }


NUMBERS = ("amount", "latitude", "longitude")
"""Fields of a transaction that are numbers, beside the extra ones; ``amount`` is whole: minor units of the base."""


def is_number(field: str) -> bool:
    """Whether a field that is no text can be told by its name; extra numbers are told by their column."""
    return field in NUMBERS


def _sample(expression: Expression, fields: Sequence[str]) -> dict[str, Any]:
    """Values of the right types for all that an expression reads. Extra fields may be either: a number is tried."""
    texts = {name: "x" for name in fields if not is_number(name)}
    extras = {name: 1.0 for name in fields if name.startswith("extra_")}
    features = {read.partition(".")[2]: 1.0 for read in expression.reads if read.startswith("features.")}
    numbers = {"amount": 1, "latitude": 1.0, "longitude": 1.0}
    return {"transaction": {**texts, **extras, **numbers}, "features": features, "score": 0.5}


def _missing(place: str, what: str, known: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(f"{place}: there is {what}; there are {', '.join(sorted(known))}")


def _like(name: str, features: Sequence[str]) -> Sequence[str]:
    """The features that begin as the name does, or all: a catalogue has more than a hundred."""
    start = name.split("_", 1)[0]
    return [feature for feature in features if feature.startswith(start)] or features
