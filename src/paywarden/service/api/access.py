"""Who may ask, and how much: API keys and a bucket of tokens for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import Request

from paywarden.clock import Clock
from paywarden.jobs.api_keys import ApiKey, key_of
from paywarden.service.api.problems import Problem
from paywarden.service.audit import AuditLog

_LOOK_EVERY_MS = 500
_REMEMBERED = 10_000


class Keys(Protocol):
    """The keys as they are kept."""

    def read(self) -> Sequence[ApiKey]:
        """All of them."""

    def changed_at(self) -> int:
        """A number that changes with them."""


@dataclass
class KeyRing:
    """Keys in memory, read again half a second at most after they changed."""

    keys: Keys
    clock: Clock
    log: AuditLog
    _known: Sequence[ApiKey] = ()
    _changed_at: int = -1
    _looked_at: int = -_LOOK_EVERY_MS
    _by_text: dict[str, ApiKey] = field(default_factory=dict)

    def of(self, request: Request, scope: str) -> ApiKey:
        """The key that a request bears. Raises a Problem, 401 or 403, where it opens nothing here."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        key = self._find(text.strip()) if scheme.lower() == "bearer" else None
        problem = "unknown" if key is None else key.problem(self.clock())
        if key is None or problem:
            raise Problem(
                401,
                "unauthorised",
                "no API key was given" if not text else f"the API key is {problem}",
                "send the header Authorization: Bearer <key>; `paywarden keys create` makes one",
                headers={"WWW-Authenticate": 'Bearer realm="paywarden"'},
                key=key.key_id if key else None,
            )
        if scope not in key.scopes:
            raise Problem(
                403,
                "out_of_scope",
                f"the API key {key.key_id} lacks the scope {scope}",
                f"use another key, or replace it: `paywarden keys create NAME --scope {scope} --replaces {key.key_id}`",
                key=key.key_id,
            )
        return key

    def _find(self, text: str) -> ApiKey | None:
        now = self.clock()
        if now - self._looked_at >= _LOOK_EVERY_MS:
            self._looked_at, changed_at = now, self.keys.changed_at()
            if changed_at != self._changed_at:
                self._take(self.keys.read())
                self._changed_at = changed_at
        key = self._by_text.get(text) or key_of(text, self._known)
        if key is not None and len(self._by_text) < _REMEMBERED:
            self._by_text[text] = key
        return key

    def _take(self, keys: Sequence[ApiKey]) -> None:
        """Know these keys from now on; who may ask is told to the audit log."""
        self._known, self._by_text = keys, {}
        now = self.clock()
        opens = {key.key_id: list(key.scopes) for key in keys if not key.problem(now)}
        self.log.info("keys", opens=opens, ended=[key.key_id for key in keys if key.problem(now)])


@dataclass
class Rates:
    """A bucket of tokens for each key: ``per_second`` flow in, at most ``burst`` lie there."""

    per_second: float
    burst: float
    clock: Callable[[], float]
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, key: ApiKey, count: int) -> None:
        """Take a token for each transaction. Raises a Problem, 429, where there are too few."""
        now = self.clock()
        left, at = self._buckets.get(key.key_id, (self.burst, now))
        left = min(self.burst, left + (now - at) * self.per_second)
        if left < count:
            self._buckets[key.key_id] = (left, now)
            wait = max(1, round((min(count, self.burst) - left) / self.per_second + 0.5))
            raise Problem(
                429,
                "too_many_requests",
                f"the API key {key.key_id} has asked for more than {self.per_second:g} transactions a second",
                f"wait {wait} s, then ask again; api.transactions_per_second and api.burst set the limit",
                headers={"Retry-After": str(wait)},
                key=key.key_id,
            )
        self._buckets[key.key_id] = (left - count, now)
