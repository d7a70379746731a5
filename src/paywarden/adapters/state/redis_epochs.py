"""The states of a deployment in one Redis, side by side: one store for each layout, in a namespace of its name.

Keys: those of ``redis_store`` under the namespace ``<deployment>.<layout digest>``, and beside them the hash
``{<namespace>:meta}:catalogue``: the definition of the catalogue it was made for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from paywarden.adapters.state.redis_server import RedisServer
from paywarden.adapters.state.redis_store import OpenRedis
from paywarden.features.state import OpenStore

_DEFINITION = "definition"


@dataclass(frozen=True)
class RedisEpochs:
    """The stores of the deployment ``name``, each of ``shards`` shards. Looking makes nothing."""

    url: str = field(repr=False)
    name: str
    shards: int

    def recipe(self, layout: str) -> OpenStore:
        """What opens the state of a layout, and makes it if absent."""
        return OpenRedis(self.url, self._namespace(layout), self.shards)

    def find(self, layout: str) -> OpenStore | None:
        """What opens the state of a layout for reading, or None where there is none."""
        with self._server() as server:
            found = b"shards" in server.fields(self._meta(layout, "control"))
        return OpenRedis(self.url, self._namespace(layout), self.shards, read_only=True) if found else None

    def layouts(self) -> list[str]:
        """The layouts that have a state. Looks through all keys of the server, so not for every batch."""
        before, after = self._meta("*", "control").split("*")
        with self._server() as server:
            names = [name.decode() for name in server.names(self._meta("*", "control"))]
        return sorted({name.removeprefix(before).removesuffix(after) for name in names})

    def note(self, layout: str, definition: str) -> None:
        """Keep the definition of the catalogue that the state is made for."""
        with self._server() as server:
            server.set(self._meta(layout, "catalogue"), _DEFINITION, definition)

    def noted(self, layout: str) -> str | None:
        """What :meth:`note` kept last."""
        with self._server() as server:
            found = server.fields(self._meta(layout, "catalogue")).get(_DEFINITION.encode())
        return found.decode() if found else None

    def remove(self, layout: str) -> None:
        """Remove a state; hold its lease."""
        with self._server() as server:
            # The meta part says that there is a state: it goes last, so that what was cut short can be done again.
            names = sorted(server.names(f"{{{self._namespace(layout)}:*}}:*"), key=lambda name: b":meta}" in name)
            for name in names:
                server.unlink(name)

    def _namespace(self, layout: str) -> str:
        return f"{self.name}.{layout}"

    def _meta(self, layout: str, name: str) -> str:
        return f"{{{self._namespace(layout)}:meta}}:{name}"

    @contextmanager
    def _server(self) -> Iterator[RedisServer]:
        server = RedisServer(self.url)
        try:
            yield server
        finally:
            server.close()
