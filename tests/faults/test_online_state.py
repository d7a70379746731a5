"""Fault 5: the online state is away, emptied, slow, full or damaged."""

from __future__ import annotations

import shutil
import threading
import time

import pytest
import redis
from tests.faults.invariants import assert_kept
from tests.faults.redis_server import OwnRedis

_STALL_MS = 1_000


@pytest.fixture
def own_redis(tmp_path):
    """A real Redis that the test may stop, start and empty."""
    with OwnRedis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def redis_stream(new_stream, own_redis, models):
    stream = new_stream(backend="redis", redis_url=own_redis.url)
    stream.register_champion(models[0])
    return stream


def _finish(stream, inputs):
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)


def test_redis_stopped_ends_the_stream_and_back_with_its_data_it_goes_on(redis_stream, own_redis, tmp_path):
    inputs = redis_stream.produce_days(0, 8)
    redis_stream.start()
    redis_stream.wait_for(lambda: len(redis_stream.finished()) >= 1)
    own_redis.stop()
    said = redis_stream.ended()
    assert f"redis://127.0.0.1:{own_redis.port}" in said
    assert "Is the server up" in said
    assert "Traceback" not in said.splitlines()[-1]
    own_redis.start()
    redis_stream.start_again()
    _finish(redis_stream, inputs)
    assert_kept(redis_stream, inputs, tmp_path / "undisturbed")


def test_redis_restarted_empty_is_refused_loudly_and_rebuilt_to_the_bit(redis_stream, own_redis, measured, tmp_path):
    inputs = redis_stream.produce_days(0, 8)
    redis_stream.start()
    redis_stream.wait_for(lambda: len(redis_stream.finished()) >= 2)
    own_redis.kill()
    own_redis.empty()
    own_redis.start()
    said = redis_stream.ended()
    assert "paywarden state rebuild" in said or "Is the server up" in said, said[-2000:]
    redis_stream.process = redis_stream.new_process()
    redis_stream.process.start()
    assert "the store has lost it" in redis_stream.ended()
    began = time.monotonic()
    assert "rebuilt: stream epoch 1" in redis_stream.command("state", "rebuild")
    measured("seconds of `paywarden state rebuild`", round(time.monotonic() - began, 1))
    redis_stream.start_again()
    _finish(redis_stream, inputs)
    assert_kept(redis_stream, inputs, tmp_path / "undisturbed")


def test_redis_that_stalls_for_a_second_again_and_again_only_slows_the_stream(redis_stream, own_redis, tmp_path):
    inputs = redis_stream.produce_days(0, 8)
    redis_stream.start()
    over = threading.Event()

    def stall():
        client = redis.Redis(port=own_redis.port)
        while not over.is_set():
            client.client_pause(_STALL_MS, all=True)
            over.wait(1.5 * _STALL_MS / 1000)
        client.close()

    stalling = threading.Thread(target=stall)
    stalling.start()
    try:
        redis_stream.wait_for(lambda: redis_stream.caught_up(inputs))
    finally:
        over.set()
        stalling.join()
    redis_stream.process.stop(60.0)
    assert_kept(redis_stream, inputs, tmp_path / "undisturbed")


def test_lmdb_without_room_ends_the_stream_and_with_room_it_goes_on(small_disk, new_stream, models, tmp_path):
    small_disk.mount("1500k")
    stream = new_stream(path=str(small_disk.path / "state"), backend="lmdb")
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 8)
    stream.start()
    words = stream.last_words()
    assert "Check that the disk is local, writable and not full" in words, words
    assert "Traceback" not in words
    small_disk.resize("256m")
    stream.start_again()
    _finish(stream, inputs)
    assert_kept(stream, inputs, tmp_path / "undisturbed")


@pytest.mark.parametrize("damage", ["overwritten", "gone"])
def test_damaged_lmdb_files_are_refused_and_rebuilt_to_the_bit(damage, new_stream, models, tmp_path):
    stream = new_stream()
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 8)
    stream.start()
    stream.wait_for(lambda: len(stream.finished()) >= 2)
    stream.process.kill()
    if damage == "gone":
        shutil.rmtree(stream.settings.state.path)
    else:
        for file in stream.settings.state.path.rglob("data.mdb"):
            with file.open("r+b") as content:
                content.write(b"\xa5" * 16_384)  # both of LMDB's first pages, which say where all others are
    stream.process = stream.new_process()
    stream.process.start()
    said = stream.ended()
    assert "paywarden state rebuild" in said, said[-2000:]
    assert "rebuilt: stream epoch 1" in stream.command("state", "rebuild", "--takeover")
    stream.start_again()
    _finish(stream, inputs)
    assert_kept(stream, inputs, tmp_path / "undisturbed")
