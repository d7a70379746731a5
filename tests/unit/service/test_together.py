import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from paywarden.service.api.together import Together


class Work:
    """Doubles numbers, once it may; notes what it was called with."""

    def __init__(self):
        self.calls = []
        self.may = threading.Event()

    def __call__(self, items):
        self.calls.append(items)
        assert self.may.wait(30)
        if "odd" in items:
            raise ValueError("odd")
        return [2 * item for item in items]


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def run(work):
    """Runs a story with a Together on one thread, three items in a call."""
    with ThreadPoolExecutor(2) as pool:

        def run(story, at_once=1):
            return asyncio.run(story(Together(work, pool, at_once, 3)))

        yield run
        work.may.set()


async def begun(*calls):
    """The calls as tasks that have begun to wait."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0.05)
    return tasks


def test_what_came_while_a_call_ran_is_worked_on_together(run, work):
    async def story(together):
        first = await begun(together([1]))
        rest = await begun(together([2, 3]), together([4]), together([5]))
        work.may.set()
        return await asyncio.gather(*first, *rest)

    assert run(story) == [[2], [4, 6], [8], [10]]
    assert work.calls == [[1], [2, 3, 4], [5]]


def test_more_than_the_most_go_alone_where_they_came_together(run, work):
    async def story(together):
        first = await begun(together([0]))
        rest = await begun(together([1]), together([2, 3, 4, 5]), together([6]))
        work.may.set()
        return await asyncio.gather(*first, *rest)

    assert run(story) == [[0], [2], [4, 6, 8, 10], [12]]
    assert work.calls == [[0], [1], [2, 3, 4, 5], [6]]


def test_who_has_given_up_takes_no_part(run, work):
    async def story(together):
        first = await begun(together([1]))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(together([2]), 0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(first[0], 0.01)  # its call goes on, for nobody
        last = await begun(together([3]))
        work.may.set()
        return await asyncio.gather(*last)

    assert run(story) == [[6]]
    assert work.calls == [[1], [3]]


def test_a_call_that_fails_fails_for_its_own_items_alone(run, work):
    async def story(together):
        first = await begun(together([1]))
        odd = await begun(together(["odd"]), together([2]))
        work.may.set()
        found = await asyncio.gather(*first, *odd, return_exceptions=True)
        return [*found, await together([3])]

    good, *bad, last = run(story)
    assert (good, last) == ([2], [6])
    assert [str(error) for error in bad] == ["odd", "odd"]


def test_several_calls_may_run_at_a_time(run, work):
    async def story(together):
        tasks = await begun(together([1]), together([2]), together([3]))
        assert work.calls == [[1], [2]]
        work.may.set()
        return await asyncio.gather(*tasks)

    assert run(story, at_once=2) == [[2], [4], [6]]


def test_a_call_that_cannot_begin_fails_and_leaves_its_place(work):
    """An executor that has ended, as one for which the system has no thread."""
    work.may.set()

    async def story():
        with ThreadPoolExecutor(1) as living, ThreadPoolExecutor(1) as ended:
            ended.shutdown()
            together = Together(work, ended, 1, 3)
            for _ in range(2):
                with pytest.raises(RuntimeError, match="shutdown"):
                    await together([1])
            together._executor = living
            return await together([2])

    assert asyncio.run(story()) == [4]
