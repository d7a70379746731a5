"""Rule books made of their content again, where a file or a worker holds it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from paywarden.errors import ConfigurationError, DataError
from paywarden.scoring.rules.expression import Expression
from paywarden.scoring.rules.rule_book import Listed, NamedList, Rule, RuleBook


def from_bytes(content: bytes) -> RuleBook:
    """The book with this content. Raises DataError for bytes that are none."""
    try:
        document = json.loads(content)
        lists, rules = map(_list, document["lists"]), map(_rule, document["rules"])
        return RuleBook(tuple(lists), tuple(rules))
    except (ValueError, TypeError, KeyError, ConfigurationError) as error:
        raise DataError(f"these bytes are no rule book ({error!r})") from error


def _list(item: dict[str, Any]) -> NamedList:
    entries = tuple(Listed(value, expires_at) for value, expires_at in item["entries"])
    return NamedList(item["name"], item["action"], item["field"], entries, item["shadow"])


def _rule(item: dict[str, Any]) -> Rule:
    return Rule(item["name"], Expression(item["when"], f"rule {item['name']!r}"), item["then"], item["shadow"])


@lru_cache(maxsize=4)
def cached_book(content: bytes) -> RuleBook:
    """The same, compiled once in a process; the last four are kept."""
    return from_bytes(content)
