"""A block of a YAML file, read key by key: a wrong key or type is named with its place and the remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from paywarden.errors import MappingError

_DURATION = re.compile(r"(\d+)\s*(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Section:
    """The block ``values`` found at ``where``, which may hold the keys ``known`` and no others.

    Reading raises :class:`~paywarden.errors.MappingError` with the key, what is there and what is expected.
    """

    def __init__(self, values: object, where: str, known: Iterable[str]) -> None:
        if not isinstance(values, dict):
            raise MappingError(f"{where}: expected a block of keys, not {values!r}")
        known = tuple(known)
        for key in values:
            if key not in known:
                raise MappingError(
                    f"{where}: unknown key {key!r}.{did_you_mean(str(key), known)} Known: {', '.join(known)}"
                )
        self._values: dict[str, Any] = values
        self.where = where

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def any(self, key: str) -> Any:  # noqa: ANN401 - what YAML holds, to be looked at by the caller
        """The value as YAML gives it; missing raises."""
        if key not in self:
            raise MappingError(f"{self.where}: {key!r} is missing; add it")
        return self._values[key]

    def text(self, key: str, default: str | None = None) -> str:
        """A text, or the default."""
        value = default if key not in self and default is not None else self.any(key)
        if not isinstance(value, str) or not value:
            raise MappingError(f"{self.where}: {key!r} is {value!r}; write a text")
        return value

    def one_of(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """A text out of a list, or the default."""
        value, allowed = self.text(key, default), tuple(allowed)
        if value not in allowed:
            hint = did_you_mean(value, allowed)
            raise MappingError(f"{self.where}: {key!r} is {value!r}.{hint} Known: {', '.join(allowed)}")
        return value

    def flag(self, key: str) -> bool:
        """True or false; false where it is missing."""
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise MappingError(f"{self.where}: {key!r} is {value!r}; write true or false")
        return value

    def exactly_one(self, *keys: str) -> None:
        """Raises unless one of the keys is there, and no other of them."""
        if sum(key in self for key in keys) != 1:
            raise MappingError(f"{self.where}: give one of {', '.join(keys)}, and no other of them")

    def duration_ms(self, key: str, default: str) -> int:
        """A duration such as ``7d``, ``12h``, ``30m``, ``45s`` or ``500ms``, in milliseconds."""
        value = self.text(key, default)
        match = _DURATION.fullmatch(value)
        if match is None:
            raise MappingError(
                f"{self.where}: {key!r} is {value!r}; write a duration such as 7d, 12h, 30m, 45s or 500ms"
            )
        return int(match[1]) * _UNIT_MS[match[2]]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """`` Did you mean 'card'?`` if a candidate resembles the name, capitals aside; else the empty text."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""
