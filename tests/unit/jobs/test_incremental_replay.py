import numpy as np
import pyarrow.compute as pc
import pytest

from paywarden.adapters.local.snapshot_files import SnapshotFiles
from paywarden.features.replay import replay
from paywarden.features.windows import DAY_MS
from paywarden.jobs.incremental_replay import IncrementalReplay
from paywarden.jobs.training_data import History, replayed_dataset


@pytest.fixture
def incremental(tmp_path):
    said = []
    return IncrementalReplay(SnapshotFiles(tmp_path), said.append), said


def until(table, moment):
    return table.filter(pc.less_equal(table["received_at"], moment))


def frame(events, catalogue, share, replayer):
    """The frame of what had been received after this share of the time."""
    moment = int(np.quantile(events.transactions["received_at"].to_numpy(), share))
    history = History(until(events.transactions, moment), until(events.labels, moment), {})
    return replayed_dataset(history, catalogue, DAY_MS, replayer=replayer)


def assert_as_replayed(events, catalogue, share, replayer):
    found, expected = (frame(events, catalogue, share, some) for some in (replayer, replay))
    assert np.array_equal(found.features.view(np.int32), expected.features.view(np.int32))
    assert found.transaction_ids.equals(expected.transaction_ids)
    assert np.array_equal(found.target, expected.target)


def test_the_second_night_replays_what_is_new_and_gives_the_same_frame(events, engine, incremental):
    replayer, said = incremental
    for share in (0.5, 0.8, 1.0):
        assert_as_replayed(events, engine.catalogue, share, replayer)
    assert len(said) == 2
    assert all("went on from a snapshot" in text for text in said)


def test_a_changed_catalogue_is_replayed_from_nothing(events, engine, newer_engine, incremental):
    replayer, said = incremental
    assert_as_replayed(events, engine.catalogue, 0.5, replayer)
    assert_as_replayed(events, newer_engine.catalogue, 1.0, replayer)
    assert "another catalogue" in said[-1]
    assert_as_replayed(events, newer_engine.catalogue, 1.0, replayer)
    assert "went on" in said[-1]


def test_a_damaged_snapshot_is_said_and_replaced(events, engine, incremental):
    replayer, said = incremental
    assert_as_replayed(events, engine.catalogue, 0.5, replayer)
    damaged = next(replayer.snapshots.root.glob("*/features.npy"))
    damaged.write_bytes(damaged.read_bytes()[:-4])
    assert_as_replayed(events, engine.catalogue, 1.0, replayer)
    assert "damaged" in said[-1]
    assert_as_replayed(events, engine.catalogue, 1.0, replayer)
    assert "went on" in said[-1]
