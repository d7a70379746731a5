"""``policy.yaml`` read: every mistake is told with the list or rule that it is in, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from paywarden.errors import ConfigurationError
from paywarden.scoring.policy import DECISIONS
from paywarden.scoring.rules.expression import Expression
from paywarden.scoring.rules.rule_book import LIST_ACTIONS, Listed, NamedList, Rule, RuleBook

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""A list of 20,000 cards takes 1.4 s to read in Python, and the stream reads it between two batches."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LIST_KEYS = {"name", "action", "field", "entries", "shadow"}
_RULE_KEYS = {"name", "when", "then", "shadow"}


def read_rule_book(path: Path) -> RuleBook:
    """The rule book of a policy file. Raises ConfigurationError naming the list or rule, and the remedy."""
    try:
        document = yaml.load(path.read_text(), Loader=_LOADER)  # noqa: S506  # either is a safe loader
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no policy file {path}; correct policy.file, or write the file") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read as YAML: {error}") from error
    try:
        return rule_book({} if document is None else document)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def rule_book(document: object) -> RuleBook:
    """The rule book of a document with the keys ``lists`` and ``rules``."""
    sections = _mapping(document, "the policy", {"lists", "rules"})
    lists = [_list(item, n) for n, item in enumerate(_sequence(sections.get("lists"), "lists"), 1)]
    rules = [_rule(item, n) for n, item in enumerate(_sequence(sections.get("rules"), "rules"), 1)]
    return RuleBook(tuple(lists), tuple(rules))


def _list(item: object, number: int) -> NamedList:
    given = _mapping(item, f"list {number}", _LIST_KEYS)
    name = _name(given, f"list {number}")
    place = f"list {name!r}"
    action = _one_of(given, "action", tuple(LIST_ACTIONS), place)
    entries = tuple(_listed(entry, place) for entry in _sequence(given.get("entries"), f"{place}, entries"))
    return NamedList(name, action, _text(given, "field", place), entries, _shadow(given, place))


def _listed(entry: object, place: str) -> Listed:
    if isinstance(entry, str):
        return Listed(entry)
    given = _mapping(entry, f"{place}, an entry", {"value", "expires", "note"})
    expires = given.get("expires")
    if expires is not None and not isinstance(expires, date):
        raise ConfigurationError(f"{place}: expires is {expires!r}; write a day or a time, such as 2027-01-31")
    return Listed(_text(given, "value", f"{place}, an entry"), None if expires is None else _epoch_ms(expires))


def _rule(item: object, number: int) -> Rule:
    given = _mapping(item, f"rule {number}", _RULE_KEYS)
    name = _name(given, f"rule {number}")
    place = f"rule {name!r}"
    then = _one_of(given, "then", DECISIONS, place)
    return Rule(name, Expression(_text(given, "when", place), place), then, _shadow(given, place))


def _epoch_ms(at: date) -> int:
    """A day ends a list's entry as it begins, in UTC; a time without a zone is UTC."""
    time = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=UTC)
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _mapping(item: object, place: str, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise ConfigurationError(f"{place} is {item!r}; write keys and values: {', '.join(sorted(keys))}")
    unknown = sorted(str(key) for key in item if key not in keys)
    if unknown:
        raise ConfigurationError(f"{place} has the unknown key {unknown[0]!r}; known: {', '.join(sorted(keys))}")
    return item


def _sequence(items: object, place: str) -> list[object]:
    if items is None:
        return []
    if not isinstance(items, list):
        raise ConfigurationError(f"{place} must be a list, each item with a dash before it")
    return items


def _name(given: Mapping[str, Any], place: str) -> str:
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(f"{place}: the name is {name!r}; write small letters, digits, - and _, at most 64")
    return name


def _text(given: Mapping[str, Any], key: str, place: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{place}: {key} is {value!r}; write a text, in quotation marks where it is a number")
    return value


def _one_of(given: Mapping[str, Any], key: str, allowed: tuple[str, ...], place: str) -> str:
    value = given.get(key)
    if value not in allowed:
        raise ConfigurationError(f"{place}: {key} is {value!r}; write {', '.join(allowed[:-1])} or {allowed[-1]}")
    return str(value)


def _shadow(given: Mapping[str, Any], place: str) -> bool:
    shadow = given.get("shadow", False)
    if not isinstance(shadow, bool):
        raise ConfigurationError(f"{place}: shadow is {shadow!r}; write true or false")
    return shadow
