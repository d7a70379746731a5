"""The lake on disk: rows and offsets in one commit, and only one archiver at a time."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pyarrow as pa
import pytest

from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.errors import LakeError, StaleArchiver

TOPIC = "transactions"


def rows(partition, first, last, **more):
    count = last - first
    columns = {
        "topic": pa.array([TOPIC] * count),
        "partition": pa.array([partition] * count, pa.int32()),
        "offset": pa.array(range(first, last), pa.int64()),
        "value": pa.array([f"{partition}/{offset}".encode() for offset in range(first, last)], pa.binary()),
        **more,
    }
    return pa.table(columns)


def offsets(table):
    return list(zip(table["partition"].to_pylist(), table["offset"].to_pylist(), strict=True))


class Interrupted(DeltaLake):
    """A lake in which something happens between the look at the table and the commit."""

    def _require_unmoved(self, topic, table, start):
        super()._require_unmoved(topic, table, start)
        self.between()


def interrupted(lake, between):
    late = Interrupted(lake.root)
    object.__setattr__(late, "between", between)
    return late


@pytest.fixture
def lake(tmp_path):
    return DeltaLake(str(tmp_path / "lake"))


def test_rows_read_back_as_they_were_ordered_by_partition_and_offset(lake):
    sent = pa.concat_tables([rows(1, 0, 3), rows(0, 0, 2)])
    assert lake.append(TOPIC, sent, {0: None, 1: None}, {0: 2, 1: 3}) == lake.version(TOPIC)
    found = lake.read(TOPIC)
    assert offsets(found) == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    assert found.schema == sent.schema  # plain strings and bytes, no views
    assert found["value"].to_pylist() == [b"0/0", b"0/1", b"1/0", b"1/1", b"1/2"]


def test_offsets_are_in_the_very_commit_of_the_rows(lake, tmp_path):
    assert lake.next_offsets(TOPIC, 2) == {0: None, 1: None}
    lake.append(TOPIC, rows(0, 0, 5), {0: None}, {0: 5})
    assert lake.next_offsets(TOPIC, 2) == {0: 5, 1: None}
    version = lake.append(TOPIC, rows(0, 5, 7), {0: 5}, {0: 7})
    assert lake.next_offsets(TOPIC, 1) == {0: 7}
    log = tmp_path / "lake" / TOPIC / "_delta_log" / f"{version:020d}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    assert [action["txn"]["version"] for action in actions if "txn" in action] == [7]
    assert any("add" in action for action in actions)


def test_an_archiver_whose_offsets_are_stale_is_refused(lake):
    version = lake.append(TOPIC, rows(0, 0, 5), {0: None}, {0: 5})
    for stale in (None, 4, 6):
        with pytest.raises(StaleArchiver, match="stop one of the two"):
            lake.append(TOPIC, rows(0, 0, 5), {0: stale}, {0: 5})
    assert offsets(lake.read(TOPIC)) == [(0, offset) for offset in range(5)]
    assert lake.version(TOPIC) == version


def test_of_two_archivers_that_looked_at_the_same_time_one_is_refused(lake):
    lake.append(TOPIC, rows(0, 0, 2), {0: None}, {0: 2})
    late = interrupted(lake, lambda: lake.append(TOPIC, rows(0, 2, 4), {0: 2}, {0: 4}))
    with pytest.raises(StaleArchiver, match="at the same time"):
        late.append(TOPIC, rows(0, 2, 5), {0: 2}, {0: 5})
    assert offsets(lake.read(TOPIC)) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert lake.next_offsets(TOPIC, 1) == {0: 4}


def test_of_archivers_that_all_find_no_table_one_writes(lake):
    start = Barrier(4)

    def run(last):
        start.wait()
        try:
            lake.append(TOPIC, rows(0, 0, last), {0: None}, {0: last})
        except StaleArchiver:
            return None
        return last

    with ThreadPoolExecutor(4) as pool:
        (winner,) = (last for last in pool.map(run, range(3, 7)) if last)
    assert offsets(lake.read(TOPIC)) == [(0, offset) for offset in range(winner)]
    assert lake.next_offsets(TOPIC, 1) == {0: winner}


def test_a_version_keeps_what_it_held(lake):
    first = lake.append(TOPIC, rows(0, 0, 2), {0: None}, {0: 2})
    second = lake.append(TOPIC, rows(0, 2, 3), {0: 2}, {0: 3})
    assert lake.version(TOPIC) == second == first + 1
    assert len(lake.read(TOPIC, first)) == 2
    assert len(lake.read(TOPIC)) == len(lake.read(TOPIC, second)) == 3


def test_a_new_column_widens_the_table(lake):
    lake.append(TOPIC, rows(0, 0, 1), {0: None}, {0: 1})
    lake.append(TOPIC, rows(0, 1, 2, country=pa.array(["FR"])), {0: 1}, {0: 2})
    lake.append(TOPIC, rows(0, 2, 3), {0: 2}, {0: 3})
    assert lake.read(TOPIC)["country"].to_pylist() == [None, "FR", None]


def test_topics_have_tables_of_their_own(lake):
    lake.append(TOPIC, rows(0, 0, 1), {0: None}, {0: 1})
    assert lake.exists(TOPIC)
    assert not lake.exists("labels")
    assert lake.next_offsets("labels", 1) == {0: None}


def test_without_a_table_the_command_to_run_is_named(lake):
    for ask in (lake.read, lake.version):
        with pytest.raises(LakeError, match="paywarden archive"):
            ask(TOPIC)


def test_a_version_that_is_not_there_is_said(lake):
    lake.append(TOPIC, rows(0, 0, 1), {0: None}, {0: 1})
    with pytest.raises(LakeError, match="cannot read"):
        lake.read(TOPIC, 7)


def test_a_type_that_contradicts_the_table_is_refused_whole(lake):
    lake.append(TOPIC, rows(0, 0, 1), {0: None}, {0: 1})
    wrong = rows(0, 1, 2).set_column(3, "value", pa.array([[1]]))
    with pytest.raises(LakeError, match="cannot append"):
        lake.append(TOPIC, wrong, {0: 1}, {0: 2})
    assert lake.next_offsets(TOPIC, 1) == {0: 1}
    assert len(lake.read(TOPIC)) == 1


def test_credentials_are_not_shown(tmp_path):
    shown = repr(dataclasses.replace(DeltaLake(str(tmp_path)), storage_options={"AWS_SECRET_ACCESS_KEY": "hush"}))
    assert "hush" not in shown
