"""What waits is worked on together: the price of a call is shared by all that came while the last one ran."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Party = tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]
"""Items that came together, and what waits for their results."""


class Together(Generic[Item, Result]):
    """Calls ``work`` in an executor with what waits: ``at_once`` calls at a time, of ``most`` items.

    Nothing waits while a call is free, so that an item alone begins at once. ``work`` gives a result an item, in their
    order; what it raises is raised to all whose items it had. For one event loop.
    """

    def __init__(
        self, work: Callable[[list[Item]], Sequence[Result]], executor: Executor, at_once: int, most: int
    ) -> None:
        self._work = work
        self._executor = executor
        self._at_once = at_once
        self._most = most
        self._running = 0
        self._waiting: deque[Party[Item, Result]] = deque()

    async def __call__(self, items: Sequence[Item]) -> Sequence[Result]:
        """The results of items that stay together. Who is cancelled before a call has begun takes no part in one."""
        mine: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, mine))
        self._begin()
        return await mine

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        while self._running < self._at_once and (taken := self._taken()):
            self._running += 1
            try:
                call = loop.run_in_executor(self._executor, self._work, [item for items, _ in taken for item in items])
            except RuntimeError as error:  # no thread can be started, or none any more
                call = loop.create_future()
                call.set_exception(error)
            call.add_done_callback(partial(self._end, taken))

    def _taken(self) -> list[Party[Item, Result]]:
        taken: list[Party[Item, Result]] = []
        count = 0
        while self._waiting and (not taken or count + len(self._waiting[0][0]) <= self._most):
            items, future = self._waiting.popleft()
            if not future.done():
                taken.append((items, future))
                count += len(items)
        return taken

    def _end(self, taken: Sequence[Party[Item, Result]], call: asyncio.Future[Sequence[Result]]) -> None:
        self._running -= 1
        error, start = call.exception(), 0
        for items, future in taken:
            end = start + len(items)
            if not future.done():
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(call.result()[start:end])
            start = end
        self._begin()
