"""numba's ``njit`` with a cache on disk that knows the whole engine.

numba stamps a cached function with the time and size of its own file only: after a change of ``results`` or ``cells``
the cached ``kernel`` would go on with the old ones, in silence. Here the stamp is a digest of every source of the room.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for source in sorted(files(__package__).iterdir(), key=lambda source: source.name):
        if source.name.endswith(".py"):
            digest.update(source.read_bytes())
    return digest.hexdigest()


SOURCES = _digest_of_sources()
"""Changes with any source file beside this one."""


def compiled(function: Function) -> Function:
    """The function compiled at its first call, from the cache where no source of the engine has changed since."""
    return _compiled(function)


def uncounted(function: Function) -> Function:
    """The same without counting references to arrays: it may slice arrays, but neither make nor return one.

    A count is an atomic operation, and numba counts at many a slice of an array and wherever one is passed on.
    """
    return _compiled(function, _nrt=False)  # private: numba documents no such option, a test sees if it stops working


def _compiled(function: Function, **options: bool) -> Function:
    njit: Any = numba.njit  # whose types know no private option
    dispatcher: Any = njit(cache=True, **options)(function)
    if dispatcher is not function:  # as it is under NUMBA_DISABLE_JIT
        # Private, for numba offers no other way to say what a function depends on; a test sees it if it stops working.
        dispatcher._cache._cache_file._source_stamp = SOURCES  # noqa: SLF001
    return dispatcher


def inlined(function: Function) -> Function:
    """The function compiled as part of each one that calls it.

    A call that passes an array costs two atomic counts of references, more than most of these functions do.
    """
    dispatcher: Any = numba.njit(inline="always")(function)
    return dispatcher
