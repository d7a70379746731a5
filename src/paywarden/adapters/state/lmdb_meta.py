"""The ``meta/`` environment of an LMDB store: what it is made of, and the authority on lease and batch."""

from __future__ import annotations

from pathlib import Path

from paywarden.adapters.state import control as fencing
from paywarden.adapters.state import record
from paywarden.adapters.state.control import Control
from paywarden.adapters.state.lmdb_environment import LmdbEnvironment, Transaction
from paywarden.errors import StateStoreError
from paywarden.features.state import BatchTag, Lease

CONTROL = b"control"
_OWNER, _LAYOUT, _SHARDS, _FORMAT = b"owner", b"layout", b"shards", b"format"


class LmdbMeta:
    """Lease, layout and batch of the store in ``path``; each method is one transaction."""

    def __init__(self, environment: LmdbEnvironment, path: Path) -> None:
        self._environment = environment
        self._place = str(path)

    def is_made(self) -> bool:
        """Whether a store was made here."""
        return self._environment.view(_made) is not None

    def make(self, shards: int) -> None:
        """Make a store of ``shards`` shards, unless one was made meanwhile."""
        self._environment.update(lambda txn: _made(txn) or _make(txn, shards))

    def check_made(self, shards: int) -> None:
        """Raise :class:`StateStoreError` unless there is a store of this record format and of ``shards`` shards."""
        made = self._environment.view(_made)
        if made is None:
            raise StateStoreError(f"{self._place} holds no state. Check the path, or start the stream that writes it.")
        if made[0] != record.FORMAT:
            raise fencing.wrong_format(made[0], record.FORMAT, self._place)
        if made[1] != shards:
            raise fencing.wrong_shards(made[1], shards, self._place)

    def control(self) -> Control:
        """The authority's control."""
        return self._environment.view(get_control)

    def layout(self) -> str | None:
        """The digest of the layout held, None in an empty store."""
        return self._environment.view(lambda txn: _text(txn, _LAYOUT))

    def acquire(self, owner: str, layout_digest: str, *, takeover: bool) -> Lease:
        """The next lease; raises :class:`StateLayoutMismatch` or :class:`LeaseHeld`."""

        def step(txn: Transaction) -> Lease:
            layout, holder, known = _text(txn, _LAYOUT), _text(txn, _OWNER), get_control(txn)
            if layout is not None and layout != layout_digest:
                raise fencing.layout_mismatch(layout, layout_digest, self._place)
            if known.held and holder is not None and holder != owner and not takeover:
                raise fencing.lease_held(holder, self._place)
            lease = Lease(owner, known.fence + 1)
            txn.put(_LAYOUT, layout_digest.encode())
            txn.put(_OWNER, owner.encode())
            put_control(txn, known.learn(lease.fence, held=True))
            return lease

        return self._environment.update(step)

    def release(self, lease: Lease) -> bool:
        """Whether the lease was still the newest, and is now free."""

        def step(txn: Transaction) -> bool:
            known = get_control(txn)
            if known.fence != lease.fence:
                return False
            put_control(txn, known.learn(lease.fence, held=False))
            return True

        return self._environment.update(step)

    def begin(self, lease: Lease, tag: BatchTag) -> None:
        """Make ``tag`` the batch begun last; raises :class:`Fenced` or :class:`StaleWriter`."""
        self._environment.update(lambda txn: put_control(txn, get_control(txn).begin(lease, tag, self._place)))

    def check_lease(self, lease: Lease) -> None:
        """Raise :class:`Fenced` unless ``lease`` holds the store."""
        self.control().check_lease(lease, self._place)

    def forget_layout(self, lease: Lease) -> None:
        """Let the next acquisition bring another layout; raises :class:`Fenced`."""

        def step(txn: Transaction) -> None:
            get_control(txn).check_lease(lease, self._place)
            txn.delete(_LAYOUT)

        self._environment.update(step)


def get_control(txn: Transaction) -> Control:
    """The control kept in an environment."""
    return Control.unpack(txn.get(CONTROL))


def put_control(txn: Transaction, known: Control) -> None:
    """Keep ``known`` in an environment."""
    txn.put(CONTROL, known.pack())


def _text(txn: Transaction, key: bytes) -> str | None:
    value = txn.get(key)
    return None if value is None else bytes(value).decode()


def _made(txn: Transaction) -> tuple[int, int] | None:
    stored_format, shards = _text(txn, _FORMAT), _text(txn, _SHARDS)
    return None if stored_format is None or shards is None else (int(stored_format), int(shards))


def _make(txn: Transaction, shards: int) -> tuple[int, int]:
    txn.put(_FORMAT, str(record.FORMAT).encode())
    txn.put(_SHARDS, str(shards).encode())
    return record.FORMAT, shards
