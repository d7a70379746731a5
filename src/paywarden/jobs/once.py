"""A training that a scheduler may start again under one key: one version comes of it, whenever a try was killed.

A version is created after all its files, with the key among its tags, in one step of the registry. So a try that was
killed has left either nothing but a run, and the next try trains; or a whole version, and the next try finishes it.
Where two tries are alive, the version that was created first stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

from paywarden.errors import ConfigurationError
from paywarden.jobs.judge import Tagged

ONCE_TAG: Final = "paywarden.once"
_KEY: Final = re.compile(r"[\w.~:+\-]{1,250}")  # what Airflow allows in the id of a run


class OnceRegistry(Protocol):
    """The registry, as far as versions are found by key."""

    def first_tagged(self, name: str, value: str) -> Tagged | None:
        """The first version that bears the tag, if one does."""

    def find_champion(self) -> Tagged | None:
        """The version that serves, if there is one."""

    def is_finished(self, version: int) -> bool:
        """Whether the run that made the version went to its end."""

    def finishing(self, version: int) -> AbstractContextManager[None]:
        """The version's run goes on, and has finished where the block does not raise."""

    def set_alias(self, alias: str, version: int) -> None:
        """Point an alias at a version."""


def once_tags(key: str | None) -> dict[str, str]:
    """The tags of what is made under a key; none without one. Raises ConfigurationError for a key that is no name."""
    if key is None:
        return {}
    if not _KEY.fullmatch(key):
        raise ConfigurationError(f"The key {key!r} is no name: letters, digits and . _ ~ : + - make one, 250 at most.")
    return {ONCE_TAG: key}


def version_of(key: str, registry: OnceRegistry, finish: Callable[[int], object]) -> int | None:
    """The version that was trained under the key, finished by now; None where there is none.

    Of a try that was killed after it had created the version, the rest is done: the alias, then ``finish``, which is
    given the version.
    """
    found = registry.first_tagged(ONCE_TAG, once_tags(key)[ONCE_TAG])
    if found is None:
        return None
    if not registry.is_finished(found.version):
        with registry.finishing(found.version):
            champion = registry.find_champion()
            if champion is None or champion.version != found.version:
                registry.set_alias("challenger", found.version)
            finish(found.version)
    return found.version
