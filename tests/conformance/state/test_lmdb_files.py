"""What only LMDB does: maps that grow, files shared by threads and processes, slots of dead readers."""

from __future__ import annotations

import multiprocessing
import os
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import state_processes as processes

from paywarden.adapters.state.lmdb_environment import open_environment
from paywarden.adapters.state.lmdb_store import LmdbStateStore, open_lmdb
from paywarden.errors import StateStoreError
from paywarden.features.state import BatchTag

TINY = 1 << 16
FIRST, SECOND = BatchTag(1, 1), BatchTag(1, 2)
KEYS = [b"%06d" % i for i in range(2_000)]


def filled(value: int):
    return np.full((len(KEYS), 200), value, np.int64)


def test_a_tiny_map_grows_with_what_is_written(tmp_path):
    with closing(LmdbStateStore(tmp_path, 2, map_size=TINY)) as store:
        lease = store.acquire("stream", "layout")
        store.begin_batch(lease, FIRST)
        store.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
        store.begin_batch(lease, SECOND)
        store.write_many(lease, "card", 0, KEYS, filled(2), SECOND)
        assert (store.read_many("card", 0, KEYS, 200) == 2).all()
        assert (store.read_many("card", 0, KEYS, 200, SECOND) == 1).all()
        assert store.delete_where(lease, "card", 0, 200, lambda states: states[:, 0] == 2) == len(KEYS)
        assert (store.read_many("card", 0, KEYS, 200, SECOND) == 1).all()
    assert (tmp_path / "shard-0000" / "data.mdb").stat().st_size > 100 * TINY
    with closing(LmdbStateStore(tmp_path, 2, map_size=TINY)) as store:
        assert (store.read_many("card", 0, KEYS, 200, SECOND) == 1).all()


def test_another_process_follows_a_map_that_grew(tmp_path):
    context = multiprocessing.get_context("spawn")
    recipe = open_lmdb(tmp_path, 2, map_size=TINY)
    with closing(recipe()) as store:
        lease = store.acquire("stream", "layout")
        store.begin_batch(lease, FIRST)
        store.write_many(lease, "card", 0, [b"old"], np.zeros((1, 200), np.int64), FIRST)
        turn, reply = context.Event(), context.Queue()
        child = context.Process(target=processes.grow_and_report, args=(recipe, lease, FIRST, turn, reply), daemon=True)
        child.start()
        try:
            assert reply.get(timeout=120) == "opened"
            store.write_many(lease, "card", 0, KEYS, filled(3), FIRST)
            turn.set()
            assert reply.get(timeout=120) == 3 * 200 * len(KEYS)
            child.join(120)
            assert child.exitcode == 0
        finally:
            child.kill()
            child.join()
        assert store.read_many("card", 0, [b"mine"], 200).sum() == 200


def test_space_is_used_again_by_later_batches(tmp_path):
    with closing(LmdbStateStore(tmp_path, 1, map_size=TINY)) as store:
        lease = store.acquire("stream", "layout")
        sizes = []
        for batch in range(1, 13):
            store.begin_batch(lease, BatchTag(1, batch))
            store.write_many(lease, "card", 0, KEYS, filled(batch), BatchTag(1, batch))
            sizes.append((tmp_path / "shard-0000" / "data.mdb").stat().st_size)
    assert sizes[-1] == sizes[5]


def test_threads_share_a_store(tmp_path):
    with closing(LmdbStateStore(tmp_path, 2, map_size=TINY)) as store:
        lease = store.acquire("stream", "layout")
        store.begin_batch(lease, FIRST)
        torn = []

        def read():
            for _ in range(60):
                states = store.read_many("card", 0, KEYS[:50], 200)
                torn.append(int((states != states[0, 0]).sum()))

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for value in range(1, 30):
            store.write_many(lease, "card", 0, KEYS[: 50 * value], filled(value)[: 50 * value], FIRST)
        for reader in readers:
            reader.join()
    assert len(torn) == 180
    assert sum(torn) == 0


def test_files_opened_for_reading_are_opened_again_for_writing(tmp_path):
    LmdbStateStore(tmp_path, 1).close()
    with (
        closing(LmdbStateStore(tmp_path, 1, read_only=True)) as reader,
        closing(LmdbStateStore(tmp_path, 1)) as writer,
    ):
        lease = writer.acquire("stream", "layout")
        writer.begin_batch(lease, FIRST)
        writer.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
        assert (reader.read_many("card", 0, KEYS, 200) == 1).all()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux lists a process's open files there")
def test_files_are_closed_with_the_last_store(tmp_path):
    first, second = LmdbStateStore(tmp_path, 1), LmdbStateStore(tmp_path, 1)
    first.close()
    assert second.acquire("stream", "layout").fence == 1
    assert open_files(tmp_path)
    second.close()
    assert not open_files(tmp_path)


def open_files(folder):
    return [path for path in map(os.path.realpath, Path("/proc/self/fd").iterdir()) if path.startswith(str(folder))]


def test_a_scan_holds_no_snapshot_between_its_chunks(tmp_path):
    with closing(LmdbStateStore(tmp_path, 1)) as store:
        lease = store.acquire("stream", "layout")
        store.begin_batch(lease, FIRST)
        store.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
        scan = store.scan("card", 0, 200)
        next(scan)
        slots = store._environments["shard-0000"]._live().readers().splitlines()[1:]
        assert all(slot.split()[-1] == "-" for slot in slots)


def test_a_file_that_is_no_store_is_named(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "data.mdb").write_bytes(b"not LMDB" * 2_000)
    with pytest.raises(StateStoreError, match="meta"):
        LmdbStateStore(tmp_path, 1)


def test_another_record_format_is_refused(tmp_path):
    LmdbStateStore(tmp_path, 1).close()
    environment = open_environment(tmp_path / "meta", writable=True, map_size=TINY)
    environment.update(lambda txn: txn.put(b"format", b"2"))
    environment.close()
    with pytest.raises(StateStoreError, match="record format 2"):
        LmdbStateStore(tmp_path, 1)


def test_a_step_that_fails_writes_nothing(tmp_path):
    environment = open_environment(tmp_path / "alone", writable=True, map_size=TINY)

    def step(txn, database):
        txn.put(b"key", b"value", db=database)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        environment.update(step, "database")
    assert environment.view(lambda txn, database: txn.get(b"key", db=database), "database") is None
    environment.close()
    with pytest.raises(StateStoreError, match="closed"):
        environment.view(lambda txn: None)
