"""One part of a Redis store, the meta part or a shard: its keys, its control, and its scripts' refusals as errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paywarden.adapters.state import control as fencing
from paywarden.adapters.state import record
from paywarden.adapters.state import redis_scripts as scripts
from paywarden.adapters.state.control import Control
from paywarden.adapters.state.redis_server import RedisServer
from paywarden.errors import StateStoreError
from paywarden.features.state import BatchTag, Lease

_NO_LEASE = Lease("", 0)
_NO_BATCH = BatchTag(0, 0)


@dataclass(frozen=True)
class Asked:
    """What a script was asked for, as far as an error would name it."""

    lease: Lease = _NO_LEASE
    tag: BatchTag = _NO_BATCH
    entity: str = ""
    words: int = 0
    layout: str = ""


class RedisPart:
    """The hashes whose keys begin with ``{namespace:name}``, and so lie in one slot."""

    def __init__(self, server: RedisServer, namespace: str, name: int | str) -> None:
        self._server = server
        self._prefix = f"{{{namespace}:{name}}}:"
        self.place = f"{server.address}, {namespace} {name if isinstance(name, str) else f'shard {name}'}"

    def key(self, name: str) -> str:
        """The key of one of the part's hashes."""
        return self._prefix + name

    def fields(self) -> dict[bytes, bytes]:
        """The fields of the part's control hash."""
        return self._server.fields(self.key("control"))

    def control(self) -> Control:
        """The part's control."""
        stored = self.fields()
        begun = BatchTag(int(stored[b"epoch"]), int(stored[b"batch"])) if b"epoch" in stored else None
        return Control(int(stored.get(b"fence", 0)), stored.get(b"held") == b"1", begun)

    def learn(self, lease: Lease) -> None:
        """Take note of an acquisition."""
        self.run(scripts.LEARN, ("control",), Asked(lease), lease.fence)

    def release(self, lease: Lease) -> None:
        """Let go of the lease, unless a newer one holds."""
        self.run(scripts.RELEASE, ("control",), Asked(lease), lease.fence)

    def begin(self, lease: Lease, tag: BatchTag) -> None:
        """Begin ``tag``: a batch after the one begun last drops the before-images."""
        batch = (lease.fence, tag.stream_epoch, tag.batch)
        self.run(scripts.BEGIN, ("control", "undo"), Asked(lease, tag), *batch)

    def run(self, script: str, names: Sequence[str], asked: Asked, *arguments: object) -> list[Any]:
        """What ``script`` answers after its ``ok``, run on the hashes ``names``; its refusals raise."""
        answer = self._server.run(script, [self.key(name) for name in names], arguments)
        if answer[0] != b"ok":
            raise _refusal(answer[0].decode(), answer[1:], asked, self.place)
        return answer[1:]


class RedisMeta(RedisPart):
    """Lease, layout and batch of the whole store."""

    def __init__(self, server: RedisServer, namespace: str) -> None:
        super().__init__(server, namespace, "meta")

    def make(self, shards: int) -> None:
        """Make a store of ``shards`` shards, unless there is one."""
        self._server.set_if_absent(self.key("control"), "format", record.FORMAT)
        self._server.set_if_absent(self.key("control"), "shards", shards)

    def check_made(self, shards: int) -> None:
        """Raise :class:`StateStoreError` unless there is a store of this record format and of ``shards`` shards."""
        made = self.fields()
        if b"shards" not in made:
            raise StateStoreError(f"{self.place} holds no state. Check the name, or start the stream that writes it.")
        if int(made[b"format"]) != record.FORMAT:
            raise fencing.wrong_format(int(made[b"format"]), record.FORMAT, self.place)
        if int(made[b"shards"]) != shards:
            raise fencing.wrong_shards(int(made[b"shards"]), shards, self.place)

    def layout(self) -> str | None:
        """The digest of the layout held, None in an empty store."""
        layout = self.fields().get(b"layout")
        return layout.decode() if layout else None

    def acquire(self, owner: str, layout_digest: str, *, takeover: bool) -> Lease:
        """The next lease; raises :class:`StateLayoutMismatch` or :class:`LeaseHeld`."""
        asked = Asked(layout=layout_digest)
        (fence,) = self.run(scripts.ACQUIRE, ("control",), asked, owner, layout_digest, int(takeover))
        return Lease(owner, fence)

    def forget_layout(self, lease: Lease) -> None:
        """Let the next acquisition bring another layout; raises :class:`Fenced`."""
        self.run(scripts.FORGET_LAYOUT, ("control",), Asked(lease), lease.fence)


def _refusal(kind: str, facts: list[Any], asked: Asked, place: str) -> StateStoreError:
    refusals: dict[str, Callable[[], StateStoreError]] = {
        "held": lambda: fencing.lease_held(facts[0].decode(), place),
        "layout": lambda: fencing.layout_mismatch(facts[0].decode(), asked.layout, place),
        "fenced": lambda: fencing.fenced(asked.lease, facts[0], place),
        "stale": lambda: fencing.stale(asked.tag, BatchTag(*facts), place),
        "not_begun": lambda: fencing.not_begun(asked.tag, place),
        "width": lambda: record.wrong_width(asked.entity, facts[0], asked.words, place),
    }
    return refusals[kind]()
