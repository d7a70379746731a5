"""Keys of the scoring API: given out once, kept as hashes, with scopes, an end, and a time of overlap when replaced.

A key is ``pw_<id>_<secret>``. Its secret has 256 random bits, so that one SHA-256 at rest is enough: there is nothing
to guess, which is what slow hashes are for, and a request is not made to wait for one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from paywarden.errors import ConfigurationError

SCOPES = ("score", "model")
"""``score``: may have transactions decided; ``model``: may ask which model and policy decide."""
_PREFIX = "pw"
_FORM = re.compile(r"pw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept; times are epoch ms, ``expires_at`` None for never."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    digest: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    def problem(self, now_ms: int) -> str | None:
        """Why the key opens nothing now; None where it does."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now_ms else None


class KeyFile(Protocol):
    """Where keys are kept."""

    def read(self) -> Sequence[ApiKey]:
        """All keys, revoked ones among them; none where there is no file."""

    def write(self, keys: Sequence[ApiKey]) -> None:
        """Keep these keys in place of all others, durably, readable by the owner only."""


def create_key(
    file: KeyFile,
    name: str,
    scopes: Sequence[str],
    *,
    now_ms: int,
    lives_ms: int | None,
    random_hex: Callable[[int], str],
    random_text: Callable[[int], str],
    replaces: str | None = None,
    overlap_ms: int = 0,
) -> tuple[ApiKey, str]:
    """A new key and its text, which is kept nowhere. With ``replaces`` another key ends after the overlap.

    Raises ConfigurationError for a name or scope that cannot be, and for a key to replace that opens nothing any more.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name for a key; use letters, digits, spaces, dots, - and _, up to 64")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise ConfigurationError(
            f"there is no scope {', '.join(unknown) or '(none given)'}; known: {', '.join(SCOPES)}"
        )
    key_id, secret = random_hex(6), random_text(32)
    text = f"{_PREFIX}_{key_id}_{secret}"
    end = None if lives_ms is None else now_ms + lives_ms
    key = ApiKey(key_id, name, tuple(s for s in SCOPES if s in scopes), _digest(text), now_ms, end)
    keys = list(file.read())
    if replaces is not None:
        place = _place(keys, replaces)
        if problem := keys[place].problem(now_ms):
            raise ConfigurationError(f"key {replaces} is {problem} already; create one without replacing it")
        ends = [end for end in (keys[place].expires_at, now_ms + overlap_ms) if end is not None]
        keys[place] = replace(keys[place], expires_at=min(ends))
    file.write([*keys, key])
    return key, text


def revoke_key(file: KeyFile, key_id: str, now_ms: int) -> ApiKey:
    """The key, which opens nothing from now on. Raises ConfigurationError where there is none."""
    keys = list(file.read())
    place = _place(keys, key_id)
    if keys[place].revoked_at is None:
        keys[place] = replace(keys[place], revoked_at=now_ms)
        file.write(keys)
    return keys[place]


def key_of(text: str, keys: Sequence[ApiKey]) -> ApiKey | None:
    """The key whose text this is, whether it opens anything or not; None for any other text."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    digest = _digest(text)
    return next((k for k in keys if k.key_id == found[1] and hmac.compare_digest(k.digest, digest)), None)


def _place(keys: Sequence[ApiKey], key_id: str) -> int:
    for place, key in enumerate(keys):
        if key.key_id == key_id:
            return place
    raise ConfigurationError(f"there is no key {key_id!r}; `paywarden keys list` shows them")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
