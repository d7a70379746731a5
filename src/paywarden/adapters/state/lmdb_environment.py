"""One LMDB environment, shared by the stores of a process that open it, never carried over a fork, grown on demand.

LMDB forbids a second opening of the same files in one process, and the use of an environment after a fork. So a
registry counts who uses which environment, and before any fork made by Python the environments are closed; parent
and child open theirs again at the next use.

Durability: commits are handed to the operating system and not flushed (``sync=False``). A process that dies, even by
``kill -9``, loses nothing and leaves consistent files: the page cache outlives it, LMDB writes new pages beside the
old and switches in one write, and its write lock is freed by the kernel. What a power cut or kernel crash leaves may be
unusable; then the directory is deleted and the state rebuilt by replay, as after losing the disk. A flush for each
shard and batch would cost more than the batch. LMDB needs a local file system: its locks do not work on NFS.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

import lmdb

from paywarden.errors import StateStoreError

Result = TypeVar("Result")
Transaction: TypeAlias = "lmdb.Transaction[memoryview]"
Database: TypeAlias = "lmdb._Database"  # noqa: SLF001 - the binding gives its handles no public name

_MAX_DATABASES = 128
"""A database for each entity, one for before-images. LMDB sets aside some bytes for each in every transaction."""

_MAX_READERS = 1024
"""Read transactions at one time over all processes; 64 bytes each in the lock file."""

_MAX_ATTEMPTS = 64
"""Each attempt may double the map, so this many end only at the limits of the machine."""

_PAGE_BYTES = 4096


_DAMAGE = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)
"""What LMDB says of files that are not as it left them."""


class LmdbEnvironment:
    """Transactions on one environment: use :func:`open_environment`, and :meth:`close` once for each opening.

    One thread of a process uses an environment at a time: growing the map invalidates every open transaction.
    """

    def __init__(self, path: Path, *, writable: bool, map_size: int) -> None:
        self.path = path
        self.writable = writable
        self.uses = 0
        self.lock = threading.RLock()
        self._map_size = -(-map_size // _PAGE_BYTES) * _PAGE_BYTES
        self._env: lmdb.Environment | None = None
        self._handles: dict[bytes, Database] = {}
        self._pid = 0

    def view(self, step: Callable[..., Result], *databases: str) -> Result:
        """What ``step(transaction, *handles)`` returns from a snapshot; the handle of an absent database is None.

        Values in the step are memory views that end with it: it must copy what it returns.
        """
        return self._run(step, databases, write=False)

    def update(self, step: Callable[..., Result], *databases: str) -> Result:
        """What ``step(transaction, *handles)`` returns after its writes are committed; all or none of them are.

        The step runs again from the start where the map had to grow.
        """
        return self._run(step, databases, write=True)

    def suspend(self) -> None:
        """Close the files until the next use."""
        with self.lock:
            if self._env is not None and self._pid == os.getpid():
                self._env.close()
            self._forget()

    def make_writable(self) -> None:
        """Let an environment opened for reading be written too."""
        with self.lock:
            if not self.writable:
                self.suspend()
                self.writable = True

    def free_dead_readers(self) -> None:
        """Drop the snapshots of killed processes, which keep old pages from being used again."""
        with self.lock:
            try:
                self._live().reader_check()
            except lmdb.Error as error:
                raise self._failure(error) from error

    def close(self) -> None:
        """End one use; the last one closes the files."""
        with _registry_lock:
            self.uses -= 1
            if self.uses == 0:
                self.suspend()
                _registry.pop(self.path, None)

    def _run(self, step: Callable[..., Result], databases: tuple[str, ...], *, write: bool) -> Result:
        with self.lock:
            if not self.uses:
                raise StateStoreError(f"{self.path}: this environment is closed. Open the store again.")
            for _ in range(_MAX_ATTEMPTS):
                try:
                    return self._attempt(step, databases, write=write)
                except lmdb.Error as error:
                    self._make_room(error)
        raise StateStoreError(f"{self.path}: no transaction could be completed in {_MAX_ATTEMPTS} attempts.")

    def _attempt(self, step: Callable[..., Result], databases: tuple[str, ...], *, write: bool) -> Result:
        env = self._live()
        handles = [self._database(env, name.encode(), create=write) for name in databases]
        with env.begin(write=write, buffers=True) as transaction:
            return step(transaction, *handles)

    def _make_room(self, error: lmdb.Error) -> None:
        if isinstance(error, lmdb.MapFullError):
            self._resize(2)
        elif isinstance(error, lmdb.MapResizedError):
            self._resize(0)
        elif isinstance(error, lmdb.ReadersFullError):
            self.free_dead_readers()
        else:
            raise self._failure(error) from error

    def _database(self, env: lmdb.Environment, name: bytes, *, create: bool) -> Database | None:
        if name not in self._handles:
            try:
                # In a transaction that the binding commits itself: a handle from a read-only one of ours would be
                # closed with it (its end is a reset, no commit). Once a process and database, so the wait is short.
                handle = env.open_db(name, create=create)
            except lmdb.NotFoundError:
                return None
            self._handles[name] = handle
        return self._handles[name]

    def _resize(self, factor: int) -> None:
        """Multiply the map; by 0, take the size that another process has given it."""
        env = self._live()
        try:
            env.set_mapsize(factor * env.info()["map_size"])
        except lmdb.Error as error:
            raise self._failure(error) from error

    def _live(self) -> lmdb.Environment:
        if self._env is not None and self._pid != os.getpid():
            self._forget()
        if self._env is None:
            self._env = self._open()
            self._pid = os.getpid()
        return self._env

    def _forget(self) -> None:
        if self._env is not None and self._pid != os.getpid():
            _inherited.append(self._env)
        self._env = None
        self._handles = {}

    def _open(self) -> lmdb.Environment:
        try:
            if self.writable:
                self.path.mkdir(parents=True, exist_ok=True)
            return lmdb.open(
                str(self.path),
                map_size=self._map_size,
                readonly=not self.writable,
                create=self.writable,
                sync=False,
                max_dbs=_MAX_DATABASES,
                max_readers=_MAX_READERS,
                max_spare_txns=0,
            )
        except (lmdb.Error, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> StateStoreError:
        if isinstance(error, _DAMAGE):
            remedy = "The files are damaged: stop the stream and make the same state again, `paywarden state rebuild`."
        else:
            remedy = "Check that the disk is local, writable and not full."
        return StateStoreError(f"{self.path}: {error}. {remedy}")


_registry_lock = threading.RLock()
_registry: dict[Path, LmdbEnvironment] = {}
_inherited: list[lmdb.Environment] = []
"""Environments that came over a fork made outside Python: never used, and never closed, in this process."""


def open_environment(path: Path, *, writable: bool, map_size: int) -> LmdbEnvironment:
    """The environment of ``path`` in this process, opened at its first use; call its ``close`` once when done.

    ``map_size`` is in bytes and counts for the first opener.
    """
    path = path.resolve()
    with _registry_lock:
        environment = _registry.get(path)
        if environment is None:
            environment = _registry[path] = LmdbEnvironment(path, writable=writable, map_size=map_size)
        environment.uses += 1
    if writable:
        environment.make_writable()
    return environment


_held_for_fork: list[LmdbEnvironment] = []


def _before_fork() -> None:
    _registry_lock.acquire()
    for environment in _registry.values():
        environment.lock.acquire()
        environment.suspend()
        _held_for_fork.append(environment)


def _after_fork() -> None:
    while _held_for_fork:
        _held_for_fork.pop().lock.release()
    _registry_lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
