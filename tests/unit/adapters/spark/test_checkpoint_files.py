import json
import uuid

import pytest

from paywarden.adapters.spark.checkpoint import batch_ranges
from paywarden.adapters.spark.checkpoint_files import CheckpointFiles
from paywarden.features.manifest import OffsetRange

RANGES = (OffsetRange("labels", 0, 2, 3), OffsetRange("transactions", 0, 5, 9), OffsetRange("transactions", 1, 0, 4))


@pytest.fixture
def files(tmp_path):
    return CheckpointFiles(tmp_path / "checkpoint")


def test_a_fresh_one_has_nothing_and_nothing_is_torn(files):
    assert (files.last_planned(), files.torn_plan(), files.torn_commit()) == (None, None, None)


@pytest.mark.parametrize("batch_id", [0, 7])
def test_a_plan_is_what_the_stream_reads(files, batch_id):
    files.plan(batch_id, RANGES)
    starting = {"labels": {0: 2}, "transactions": {0: 5, 1: 0}}
    assert batch_ranges(files.root, batch_id, starting) == RANGES
    assert (files.last_planned(), files.torn_plan(), files.torn_commit()) == (batch_id, None, None)
    committed = sorted(path.name for path in (files.root / "commits").glob("*"))
    assert committed == ([str(batch_id - 1)] if batch_id else [])


@pytest.mark.parametrize("left", [b"", b"v1", b'v1\n{"batchWatermarkMs":0}', b'v1\n{}\n{"transac'])
def test_torn_offsets_are_found_and_written_anew(files, left):
    files.plan(3, RANGES)
    (files.root / "offsets" / "3").write_bytes(left)
    (files.root / "offsets" / ".3.crc").write_bytes(b"crc")
    assert files.torn_plan() == 3
    files.plan(3, RANGES)
    assert files.torn_plan() is None
    assert not (files.root / "offsets" / ".3.crc").exists()
    assert [path.name for path in (files.root / "commits").glob("*")] == ["2"]


def test_a_plan_has_the_number_of_partitions_that_spark_compares_with_the_batch_before(files):
    def noted(batch_id):
        return json.loads((files.root / "offsets" / str(batch_id)).read_text().splitlines()[1])["conf"]

    files.plan(3, RANGES)
    assert noted(3) == noted(2) == {"spark.sql.shuffle.partitions": "200"}
    other = '{"batchWatermarkMs":0,"batchTimestampMs":7,"conf":{"spark.sql.shuffle.partitions":"48"}}'
    (files.root / "offsets" / "4").write_text(f"v1\n{other}\n{{}}")
    (files.root / "offsets" / "5").write_text("")  # torn
    files.plan(5, RANGES)
    assert noted(5) == {"spark.sql.shuffle.partitions": "48"}


def test_a_plan_can_be_forgotten(files):
    files.plan(3, RANGES)
    files.forget_plan(3)
    assert files.last_planned() == 2


@pytest.mark.parametrize("left", [b"", b"v1", b"v1\n{"])
def test_a_torn_commit_is_found_and_forgotten(files, left):
    files.plan(3, RANGES)
    (files.root / "commits" / "2").write_bytes(left)
    assert files.torn_commit() == 2
    files.forget_commit(2)
    assert files.torn_commit() is None
    files.forget_commit(2)  # killed and begun again


@pytest.mark.parametrize("left", [None, "", "{}"], ids=["lost", "empty", "without an id"])
def test_a_plan_comes_with_an_id_which_spark_refuses_to_start_without(files, left):
    if left is not None:
        files.root.mkdir(parents=True, exist_ok=True)
        (files.root / "metadata").write_text(left)
        (files.root / ".metadata.crc").write_bytes(b"of the former")
    files.plan(3, RANGES)
    named = json.loads((files.root / "metadata").read_text())
    assert uuid.UUID(named["id"])
    assert not (files.root / ".metadata.crc").exists()
    files.plan(4, RANGES)
    assert json.loads((files.root / "metadata").read_text()) == named


def test_an_id_that_is_there_stays(files):
    files.root.mkdir(parents=True, exist_ok=True)
    (files.root / "metadata").write_text('{"id":"mine"}')
    files.plan(3, RANGES)
    assert (files.root / "metadata").read_text() == '{"id":"mine"}'
