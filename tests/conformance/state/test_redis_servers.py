"""What only Redis does: scripts a server has lost, servers that evict or do not answer, passwords never repeated."""

from __future__ import annotations

import traceback
from contextlib import closing

import numpy as np
import pytest
from redis import Redis
from servers import redis_server

from paywarden.adapters.state.redis_store import RedisStateStore, open_redis
from paywarden.errors import Fenced, StaleWriter, StateStoreError
from paywarden.features.state import BatchTag

TAG = BatchTag(1, 1)
ONE = np.ones((1, 2), np.int64)
SECRET = "s3cret-passw0rd"  # noqa: S105 - what the tests look for


def test_scripts_that_a_server_has_lost_are_sent_again(redis_url):
    with closing(RedisStateStore(redis_url, "flushed", 2)) as store, Redis.from_url(redis_url) as client:
        lease = store.acquire("stream", "layout")
        client.script_flush()
        store.begin_batch(lease, TAG)
        client.script_flush()
        store.write_many(lease, "card", 1, [b"a"], ONE, TAG)
        assert store.read_many("card", 1, [b"a"], 2).tolist() == [[1, 1]]


def test_a_given_client_is_used_and_left_open(redis_url):
    with Redis.from_url(redis_url) as client:
        store = RedisStateStore(client, "given", 2)
        store.acquire("stream", "layout")
        store.close()
        assert client.ping()
        with pytest.raises(StateStoreError, match="closed"):
            store.current()


def test_a_client_that_decodes_is_refused(redis_url):
    with Redis.from_url(redis_url, decode_responses=True) as client, pytest.raises(StateStoreError, match="decodes"):
        RedisStateStore(client, "decoding", 2)


@pytest.mark.parametrize("namespace", ["", "a{b", "a}b"])
def test_a_namespace_that_would_break_the_slots_is_refused(redis_url, namespace):
    with pytest.raises(StateStoreError, match="namespace"):
        RedisStateStore(redis_url, namespace, 2)


def test_namespaces_are_apart(redis_url):
    with (
        closing(RedisStateStore(redis_url, "left", 2)) as left,
        closing(RedisStateStore(redis_url, "right", 3)) as right,
    ):
        lease = left.acquire("stream", "layout")
        left.begin_batch(lease, TAG)
        left.write_many(lease, "card", 0, [b"a"], ONE, TAG)
        assert right.current() is None
        assert right.read_many("card", 0, [b"a"], 2).tolist() == [[0, 0]]


def test_a_server_that_evicts_keys_is_refused(tmp_path):
    with redis_server(tmp_path, "--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru") as url:
        with closing(RedisStateStore(url, "evicting", 2)) as store, pytest.raises(StateStoreError, match="allkeys-lru"):
            store.acquire("stream", "layout")
        with Redis.from_url(url) as client:
            client.config_set("maxmemory-policy", "volatile-lru")
        with closing(RedisStateStore(url, "evicting", 2)) as store:
            assert store.acquire("stream", "layout").fence == 1


def test_a_full_server_refuses_a_write_as_a_whole_and_still_begins_a_batch(tmp_path):
    keys = [b"%04d" % i for i in range(3_000)]
    with (
        redis_server(tmp_path) as url,
        closing(RedisStateStore(url, "full", 1)) as store,
        Redis.from_url(url) as client,
    ):
        lease = store.acquire("stream", "layout")
        store.begin_batch(lease, TAG)
        store.write_many(lease, "card", 0, keys[:10], np.ones((10, 100), np.int64), TAG)
        client.config_set("maxmemory", "1mb")
        with pytest.raises(StateStoreError, match=r"OOM|OutOfMemory"):
            store.write_many(lease, "card", 0, keys, np.full((3_000, 100), 2, np.int64), TAG)
        store.begin_batch(lease, BatchTag(1, 2))
        assert client.exists("{full:0}:undo") == 0
        assert store.read_many("card", 0, keys, 100).sum() == 10 * 100
        assert store.stats()[0].records == 10


def test_a_lease_of_a_server_that_lost_its_memory_is_refused(tmp_path):
    with redis_server(tmp_path) as url, closing(RedisStateStore(url, "lost", 2)) as store:
        lease = store.acquire("stream", "layout")
        store.begin_batch(lease, TAG)
        with Redis.from_url(url) as client:
            client.flushall()
        with pytest.raises(Fenced):
            store.write_many(lease, "card", 0, [b"a"], ONE, TAG)


def test_a_dead_server_is_named_without_its_password(tmp_path):
    with redis_server(tmp_path) as url:
        store = RedisStateStore(url, "dying", 2)
    with pytest.raises(StateStoreError, match="Is the server up") as caught:
        store.current()
    assert str(tmp_path) in str(caught.value)
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        f"redis://user:{SECRET}@127.0.0.1:1/0",
        f"redis+cluster://user:{SECRET}@127.0.0.1:1",
        f"unix://user:{SECRET}@/nowhere/socket?password={SECRET}",
        f"nonsense://user:{SECRET}@host",
        f"redis://user:{SECRET}/@host:6379",
        f"redis://user@host:{SECRET}",
        SECRET,
    ],
)
def test_a_password_is_never_repeated(url):
    recipe = open_redis(url, "namespace", 2)
    with pytest.raises(StateStoreError) as caught:
        recipe()
    assert SECRET not in repr(recipe)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_wrong_password_is_refused_without_repeating_it(tmp_path):
    with redis_server(tmp_path, "--requirepass", "right") as url:
        pass_url = url.replace("unix://", f"unix://:{SECRET}@")
        with pytest.raises(StateStoreError, match="credentials") as caught:
            RedisStateStore(pass_url, "namespace", 2)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        with closing(RedisStateStore(url.replace("unix://", "unix://:right@"), "namespace", 2)) as store:
            assert store.acquire("stream", "layout").fence == 1


@pytest.mark.parametrize("at", ["records", "before-images"])
def test_a_batch_that_begins_in_the_middle_of_a_read_is_noticed(redis_url, monkeypatch, at):
    earlier, tag, later = BatchTag(1, 1), BatchTag(1, 2), BatchTag(1, 3)
    with closing(RedisStateStore(redis_url, f"middle of {at}", 1)) as store:
        lease = store.acquire("stream", "layout")
        store.begin_batch(lease, earlier)
        store.write_many(lease, "card", 0, [b"a"], ONE, earlier)
        in_between = InBetween(store._server.values)
        monkeypatch.setattr(store._server, "values", in_between)

        def begin_and_write():
            store.begin_batch(lease, tag)
            store.write_many(lease, "card", 0, [b"a"], 2 * ONE, tag)

        if at == "records":
            # Nobody had begun the batch as the read began; a faster task of it has written by now.
            in_between.before(1, begin_and_write)
            assert store.read_many("card", 0, [b"a"], 2, tag).tolist() == [[1, 1]]
        else:
            begin_and_write()
            in_between.before(2, lambda: store.begin_batch(lease, later))
            with pytest.raises(StaleWriter):
                store.read_many("card", 0, [b"a"], 2, tag)
        assert in_between.calls >= 2


class InBetween:
    """Calls through, and does something else right before one of the calls."""

    def __init__(self, call):
        self.call, self.calls, self.deeds = call, 0, {}

    def before(self, number, deed):
        self.deeds[number] = deed

    def __call__(self, *arguments):
        self.calls += 1
        self.deeds.pop(self.calls, lambda: None)()
        return self.call(*arguments)
