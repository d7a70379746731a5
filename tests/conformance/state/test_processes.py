"""Several processes at one store: races for the lease, disjoint writers, forks, and a writer killed half way."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import contextmanager

import numpy as np
import pytest
import state_processes as processes
from state_processes import KEYS, RUN, WORDS

from paywarden.errors import Fenced, LeaseHeld
from paywarden.features.state import BatchTag, Lease

METHODS = [
    pytest.param("spawn"),
    # From Python 3.12 on a fork warns where threads run; the store's own are none, other tests' may be.
    pytest.param("fork", marks=pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")),
]
SECONDS = 120


@pytest.fixture(params=METHODS)
def context(request):
    return multiprocessing.get_context(request.param)


@contextmanager
def running(context, *calls):
    started = [context.Process(target=target, args=arguments, daemon=True) for target, *arguments in calls]
    for process in started:
        process.start()
    try:
        yield started
        for process in started:
            process.join(SECONDS)
            assert process.exitcode == 0
    finally:
        for process in started:
            process.kill()
            process.join()
            process.close()


def filled(value: int):
    return np.full((len(KEYS), WORDS), value, np.int64)


def test_racing_processes_get_distinct_fences(context, recipe):
    start, fences = context.Event(), context.Queue()
    calls = [(processes.acquire_often, recipe, f"owner-{i}", 15, start, fences) for i in range(2)]
    with running(context, *calls):
        start.set()
        given = [fences.get(timeout=SECONDS) for _ in range(2)]
    assert sorted(given[0] + given[1]) == list(range(1, 31))
    assert all(fence == sorted(fence) for fence in given)
    store = recipe()
    last = Lease("", 30)
    store.begin_batch(last, BatchTag(1, 1))
    for shard in range(store.shards):
        store.write_many(last, "card", shard, KEYS, filled(1), BatchTag(1, 1))
        with pytest.raises(Fenced):
            store.write_many(Lease("", 29), "card", shard, KEYS, filled(2), BatchTag(1, 1))
    store.close()


def test_one_of_two_racing_owners_gets_the_lease(context, recipe):
    start, leases = context.Event(), context.Queue()
    calls = [(processes.acquire_once, recipe, f"owner-{i}", start, leases) for i in range(2)]
    with running(context, *calls):
        start.set()
        given = [leases.get(timeout=SECONDS) for _ in range(2)]
    assert [lease.fence for lease in given if lease is not None] == [1]


def test_writers_of_disjoint_shards_and_readers_do_not_disturb_one_another(context, recipe):
    store = recipe()
    tag, rounds = BatchTag(1, 1), 12
    lease = store.acquire("stream", "layout")
    store.begin_batch(lease, tag)
    stop, done, found = context.Event(), context.Queue(), context.Queue()
    writers = [(processes.write_shard, recipe, lease, tag, shard, rounds, done) for shard in range(4)]
    readers = [(processes.read_shards, recipe, tag, 4, stop, found)] * 2
    with running(context, *writers, *readers):
        assert {done.get(timeout=SECONDS) for _ in range(4)} == {0, 1, 2, 3}
        stop.set()
        assert [found.get(timeout=SECONDS) for _ in range(2)] == [(0, 0), (0, 0)]
    for shard in range(4):
        assert (store.read_many("card", shard, KEYS, WORDS) == rounds).all()
    store.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_store_opened_before_a_fork_works_in_the_child_and_in_the_parent(recipe):
    context = multiprocessing.get_context("fork")
    store = recipe()
    lease = store.acquire("stream", "layout")
    store.begin_batch(lease, BatchTag(1, 1))
    store.write_many(lease, "card", 0, KEYS, filled(5), BatchTag(1, 1))
    store.begin_batch(lease, BatchTag(1, 2))
    for _ in range(3):
        results = context.Queue()
        with running(context, (processes.use_inherited, store, lease, results)):
            assert results.get(timeout=SECONDS) == [5] * len(KEYS)
            assert (store.read_many("card", 0, KEYS, WORDS, BatchTag(1, 2)) == 5).all()
    assert (store.read_many("card", 0, KEYS, WORDS) == 6).all()
    store.write_many(lease, "card", 0, KEYS, filled(7), BatchTag(1, 2))
    store.close()


@pytest.mark.parametrize("runs_before_the_kill", [0, 1, 4, 11, 40])
def test_a_killed_writers_batch_is_retried_from_its_before_images(recipe, runs_before_the_kill):
    context = multiprocessing.get_context("spawn")
    store = recipe()
    old = store.acquire("stream", "layout")
    store.begin_batch(old, BatchTag(1, 1))
    store.write_many(old, "card", 0, KEYS[:200], filled(1)[:200], BatchTag(1, 1))
    receive, send = context.Pipe(duplex=False)
    tag = BatchTag(1, 2)
    writer = context.Process(target=processes.write_until_killed, args=(recipe, old, tag, 2, send), daemon=True)
    writer.start()
    for _ in range(runs_before_the_kill + 1):
        assert receive.poll(SECONDS)
        receive.recv()
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert writer.exitcode == -signal.SIGKILL

    with pytest.raises(LeaseHeld):
        store.acquire("successor", "layout")
    new = store.acquire("successor", "layout", takeover=True)
    assert store.current() == tag
    newest = store.read_many("card", 0, KEYS, WORDS)[:, 0]
    written = (newest.reshape(-1, RUN) == 2).sum(axis=1)
    assert set(written.tolist()) <= {0, RUN}
    assert written.sum() >= RUN * min(runs_before_the_kill, len(KEYS) // RUN)
    store.begin_batch(new, tag)
    assert (store.read_many("card", 0, KEYS, WORDS, tag)[:, 0] == [1] * 200 + [0] * 100).all()
    store.write_many(new, "card", 0, KEYS, filled(2), tag)
    store.begin_batch(new, BatchTag(1, 3))
    assert (store.read_many("card", 0, KEYS, WORDS, BatchTag(1, 3)) == 2).all()
    store.close()
    receive.close()
    send.close()
    writer.close()
