"""Upkeep of real Delta tables: nothing that anybody reads goes, neither rows nor offsets nor a version in use."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.adapters.lake.upkeep import tend
from paywarden.errors import LakeError

TOPIC = "transactions"
DAY = 86_400


def rows(first, last):
    count = last - first
    return pa.table(
        {
            "topic": pa.array([TOPIC] * count),
            "partition": pa.array([0] * count, pa.int32()),
            "offset": pa.array(range(first, last), pa.int64()),
        }
    )


@pytest.fixture
def lake(tmp_path):
    lake = DeltaLake(str(tmp_path / "lake"))
    for step in range(10):
        lake.append(TOPIC, rows(5 * step, 5 * step + 5), {0: 5 * step or None}, {0: 5 * step + 5})
    return lake


def data_files(lake):
    return sorted(Path(lake.root, TOPIC).glob("*.parquet"))


def age(lake, days):
    """Let the files and the log be so many days old."""
    then = time.time() - days * DAY
    for path in Path(lake.root, TOPIC).rglob("*"):
        os.utime(path, (then, then))


def test_many_files_become_one_and_rows_and_offsets_stay(lake):
    before = lake.read(TOPIC)
    tended = tend(lake, TOPIC, 14)
    assert (tended.files_before, tended.files_after, tended.removed) == (10, 1, 0)
    assert lake.read(TOPIC) == before
    assert lake.next_offsets(TOPIC, 2) == {0: 50, 1: None}
    assert DeltaTable(lake._uri(TOPIC)).version() == tended.version == lake.version(TOPIC)


def test_an_archiver_goes_on_where_it_was(lake):
    tend(lake, TOPIC, 14)
    lake.append(TOPIC, rows(50, 53), {0: 50}, {0: 53})
    tend(lake, TOPIC, 14)
    assert lake.read(TOPIC)["offset"].to_pylist() == list(range(53))
    assert lake.next_offsets(TOPIC, 1) == {0: 53}


def test_what_was_put_out_of_use_lately_is_kept_for_readers(lake):
    old = lake.version(TOPIC)
    reader = DeltaTable(lake._uri(TOPIC))
    tend(lake, TOPIC, 1)
    assert reader.to_pyarrow_table().num_rows == 50
    assert lake.read(TOPIC, old).num_rows == 50
    assert len(data_files(lake)) == 11


def test_what_has_long_been_out_of_use_goes_but_not_a_version_that_is_in_use(lake):
    used = 4
    tend(lake, TOPIC, 14)
    held = lake.read(TOPIC, used)
    # A retention of nothing stands for the passing of time: removal times are in the log itself.
    tended = tend(lake, TOPIC, 0, [used])
    assert tended.removed > 0
    assert lake.read(TOPIC, used) == held
    assert lake.read(TOPIC).num_rows == 50
    with pytest.raises(LakeError):
        lake.read(TOPIC, 7)


def test_a_version_whose_log_is_gone_is_passed_over(lake):
    assert tend(lake, TOPIC, 14, [3, 999]).files_after == 1


def test_files_of_a_killed_writer_go_once_they_are_old(lake):
    stray = Path(lake.root, TOPIC, "part-of-a-killed-writer.parquet")
    stray.write_bytes(b"half")
    tend(lake, TOPIC, 14)
    assert stray.exists()
    age(lake, 15)
    tend(lake, TOPIC, 14)
    assert not stray.exists()
    assert lake.read(TOPIC).num_rows == 50


def test_a_dry_run_changes_nothing_and_counts(lake):
    tend(lake, TOPIC, 14)
    version, files = lake.version(TOPIC), data_files(lake)
    tended = tend(lake, TOPIC, 0, dry_run=True)
    assert tended.removed == 10
    assert (lake.version(TOPIC), data_files(lake)) == (version, files)


def test_without_anything_to_do_no_file_is_written_again(lake):
    tend(lake, TOPIC, 14)
    files = data_files(lake)
    assert tend(lake, TOPIC, 14).files_before == 1
    assert data_files(lake) == files


def test_beside_an_archiver_and_a_reader(lake):
    ended = Event()

    def archive():
        try:
            for step in range(10, 30):
                lake.append(TOPIC, rows(5 * step, 5 * step + 5), {0: 5 * step}, {0: 5 * step + 5})
        finally:
            ended.set()

    def look():
        while not ended.is_set():
            offsets = lake.read(TOPIC)["offset"].to_pylist()
            assert offsets == list(range(len(offsets)))

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(archive), pool.submit(look)]
        while not ended.is_set():
            tend(lake, TOPIC, 1)
        for other in others:
            other.result()
    assert lake.read(TOPIC)["offset"].to_pylist() == list(range(150))
    assert lake.next_offsets(TOPIC, 1) == {0: 150}


def test_without_a_table_the_command_to_run_is_named(tmp_path):
    with pytest.raises(LakeError, match="paywarden archive"):
        tend(DeltaLake(str(tmp_path)), TOPIC, 14)
