"""API keys in a JSON file that only its owner may read; it holds hashes, never a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from paywarden.adapters.local.durable import replace_durably
from paywarden.errors import ConfigurationError

Key = TypeVar("Key")


@dataclass(frozen=True)
class KeyFile(Generic[Key]):
    """Keys under ``path``; ``pack`` and ``unpack`` make a JSON object of a key, and a key of it.

    Guarantee: a write is on disk whole or not at all. Two commands at one time: the later one wins.
    """

    path: Path
    pack: Callable[[Key], dict[str, Any]]
    unpack: Callable[[dict[str, Any]], Key]

    def read(self) -> list[Key]:
        """All keys; none where there is no file. Raises ConfigurationError for a file that holds something else."""
        try:
            return [self.unpack(item) for item in json.loads(self.path.read_text())["keys"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigurationError(
                f"the API's keys in {self.path} cannot be read ({error!r}); restore the file, or delete it and create "
                "keys anew by `paywarden keys create`"
            ) from error

    def write(self, keys: Sequence[Key]) -> None:
        """Keep these keys."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_durably(self.path, json.dumps({"keys": [self.pack(key) for key in keys]}, indent=1), private=True)

    def changed_at(self) -> int:
        """A number that changes with the file; 0 where there is none."""
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return 0
