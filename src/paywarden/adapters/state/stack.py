"""What newcomers trip over with the online state: a Redis that evicts or is too old, a disk that LMDB cannot use."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from paywarden.adapters.state.redis_server import RedisServer
from paywarden.errors import StateStoreError

_OLDEST: Final = (6, 0)
_NO_LOCKS: Final = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p")
_MOUNTS: Final = Path("/proc/mounts")


def check_redis(url: str) -> str:
    """Version and eviction policy of the server. Raises StateStoreError with the remedy."""
    server = RedisServer(url)
    try:
        facts = server.facts()
    finally:
        server.close()
    said, policy = facts.get("redis_version", "unknown"), facts.get("maxmemory_policy", "unknown")
    numbers = tuple(int(part) for part in said.split(".")[:2] if part.isdigit())
    if numbers and numbers < _OLDEST:
        raise StateStoreError(f"{server.address} is Redis {said}; 6.0 or newer is needed. Upgrade it.")
    if policy not in ("noeviction", "unknown"):
        raise StateStoreError(
            f"{server.address} has maxmemory-policy {policy}, so state could vanish unseen. Set it to noeviction "
            "(redis-server --maxmemory-policy noeviction, or CONFIG SET maxmemory-policy noeviction)."
        )
    return f"{server.address}: Redis {said}, {policy}"


def check_lmdb(path: Path, mounts: Path = _MOUNTS) -> str:
    """The file system under the state's directory, which LMDB can use. Raises StateStoreError with the remedy."""
    kind = _file_system(path.absolute(), mounts)
    if kind in _NO_LOCKS:
        raise StateStoreError(
            f"{path} lies on {kind}, where LMDB's locks do not hold. Put state.path on a local disk, or use Redis "
            "(state.backend: redis)."
        )
    return f"{path}: {kind or 'a local file system'}"


def _file_system(path: Path, mounts: Path) -> str | None:
    """The kind of the file system of the longest mount point above a path; None where the system does not tell."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return None
    above = [(line[1], line[2]) for line in lines if len(line) > 2 and path.is_relative_to(line[1])]
    return max(above, key=lambda mount: len(mount[0]))[1] if above else None
